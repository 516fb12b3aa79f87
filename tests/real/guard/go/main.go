// sarama under load: sends at a fixed rate until told to stop, and keeps a journal of what it was told. Arguments are key=value.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// A client that fell behind goes on from now: a burst would be another load than the one asked for.
const behindMax = 500 * time.Millisecond

type journal struct {
	lock sync.Mutex
	out  *bufio.Writer
}

func (j *journal) note(kind string, fields ...any) {
	j.lock.Lock()
	defer j.lock.Unlock()
	line := kind + " " + strconv.FormatInt(time.Now().UnixMilli(), 10)
	for _, field := range fields {
		line += " " + strings.ReplaceAll(fmt.Sprint(field), "\n", " ")
	}
	fmt.Fprintln(j.out, line)
	j.out.Flush()
}

type record struct {
	partition, number int
	begun             time.Time
}

func (r record) waited() int64 {
	return time.Since(r.begun).Milliseconds()
}

func main() {
	args := map[string]string{}
	for _, argument := range os.Args[1:] {
		key, value, _ := strings.Cut(argument, "=")
		args[key] = value
	}
	file, err := os.Create(args["journal"])
	check(err)
	j := &journal{out: bufio.NewWriter(file)}

	config := sarama.NewConfig()
	config.ClientID = args["row"]
	config.Version, err = sarama.ParseKafkaVersion(args["version"])
	check(err)
	config.Producer.RequiredAcks = map[string]sarama.RequiredAcks{"0": sarama.NoResponse, "1": sarama.WaitForLocal, "all": sarama.WaitForAll}[args["acks"]]
	config.Producer.Retry.Max = 0
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Return.Successes = true
	producer, err := sarama.NewAsyncProducer(strings.Split(args["bootstrap"], ","), config)
	check(err)

	var told sync.WaitGroup
	told.Add(2)
	go func() {
		defer told.Done()
		for message := range producer.Successes() {
			record := message.Metadata.(record)
			j.note("a", record.partition, record.number, record.waited(), message.Offset)
		}
	}()
	go func() {
		defer told.Done()
		for failure := range producer.Errors() {
			record := failure.Msg.Metadata.(record)
			j.note("e", record.partition, record.number, record.waited(), failure.Err)
		}
	}()

	rate, err := strconv.Atoi(args["rate"])
	check(err)
	partitions, err := strconv.Atoi(args["partitions"])
	check(err)
	interval := time.Second / time.Duration(rate)
	number := 0
	for due := time.Now(); !exists(args["stop"]); number++ {
		partition := number % partitions
		value := sarama.StringEncoder(fmt.Sprintf("%s:%d:%d", args["row"], partition, number))
		producer.Input() <- &sarama.ProducerMessage{Topic: args["topic"], Partition: int32(partition), Value: value, Metadata: record{partition, number, time.Now()}}
		due = due.Add(interval)
		if earliest := time.Now().Add(-behindMax); due.Before(earliest) {
			due = earliest
		}
		time.Sleep(time.Until(due))
	}
	producer.AsyncClose()
	told.Wait()
	j.note("d", number)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
