import java.lang.reflect.Method;
import java.util.Collections;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Produces some records and reads them back as a member of a group, with whatever version of kafka-clients it was compiled against: 0.11 to 4.3. */
public final class Roundtrip {
    private static final int COUNT = 10;
    private static final long LIMIT_SECONDS = 30;

    public static void main(String[] args) {
        try {
            produce(args[0], args[1], args[2]);
            consume(args[0], args[1], args[2]);
            System.out.println("ok");
        } catch (Throwable e) {
            e.printStackTrace(System.out);
        }
        System.out.flush();
        // Some versions try for ever in the background.
        Runtime.getRuntime().halt(0);
    }

    private static Properties properties(String bootstrap, String clientId) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("client.id", clientId);
        String bytes = "org.apache.kafka.common.serialization.ByteArray";
        properties.put("key.serializer", bytes + "Serializer");
        properties.put("value.serializer", bytes + "Serializer");
        properties.put("key.deserializer", bytes + "Deserializer");
        properties.put("value.deserializer", bytes + "Deserializer");
        properties.put("max.block.ms", "20000");
        properties.put("group.id", clientId + "-group");
        properties.put("auto.offset.reset", "earliest");
        return properties;
    }

    private static void produce(String bootstrap, String topic, String clientId) throws Exception {
        KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties(bootstrap, clientId));
        for (int number = 0; number < COUNT; number++) {
            producer.send(new ProducerRecord<>(topic, ("record " + number).getBytes("UTF-8"))).get(LIMIT_SECONDS, TimeUnit.SECONDS);
        }
        producer.close();
    }

    private static void consume(String bootstrap, String topic, String clientId) throws Exception {
        KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties(bootstrap, clientId));
        consumer.subscribe(Collections.singletonList(topic));
        int seen = 0;
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
        while (seen < COUNT) {
            if (System.nanoTime() > end) {
                throw new IllegalStateException("read " + seen + " of " + COUNT);
            }
            seen += poll(consumer).count();
        }
        consumer.commitSync();
        consumer.close();
    }

    /** poll(Duration) is there since 2.0, poll(long) went with 4.0. */
    private static ConsumerRecords<?, ?> poll(KafkaConsumer<byte[], byte[]> consumer) throws Exception {
        Method method;
        Object wait;
        try {
            method = KafkaConsumer.class.getMethod("poll", java.time.Duration.class);
            wait = java.time.Duration.ofMillis(200);
        } catch (NoSuchMethodException e) {
            method = KafkaConsumer.class.getMethod("poll", long.class);
            wait = 200L;
        }
        return (ConsumerRecords<?, ?>) method.invoke(consumer, wait);
    }
}
