// sarama: produces some records and reads them back, as the version of Kafka that it is told. Arguments: bootstrap, topic, client id, version.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

const count = 10
const limit = 30 * time.Second

func main() {
	config := sarama.NewConfig()
	config.ClientID = os.Args[3]
	var err error
	config.Version, err = sarama.ParseKafkaVersion(os.Args[4])
	check(err)
	config.Producer.Return.Successes = true
	config.Producer.Retry.Max = 1
	bootstrap := strings.Split(os.Args[1], ",")

	producer, err := sarama.NewSyncProducer(bootstrap, config)
	check(err)
	for number := 0; number < count; number++ {
		_, _, err = producer.SendMessage(&sarama.ProducerMessage{Topic: os.Args[2], Value: sarama.StringEncoder(fmt.Sprint("record ", number))})
		check(err)
	}
	check(producer.Close())

	consumer, err := sarama.NewConsumer(bootstrap, config)
	check(err)
	partition, err := consumer.ConsumePartition(os.Args[2], 0, sarama.OffsetOldest)
	check(err)
	for seen, end := 0, time.After(limit); seen < count; {
		select {
		case <-partition.Messages():
			seen++
		case <-end:
			check(fmt.Errorf("read %d of %d", seen, count))
		}
	}
	fmt.Println("ok")
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
