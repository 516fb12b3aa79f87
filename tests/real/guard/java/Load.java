import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Java clients under load, each a thread with connections of its own: arguments are the bootstrap servers and then one for each client, key=value with
 * semicolons between. Each works until its stop file is there, and keeps a journal of what it was told.
 */
public final class Load {
    /** A client that fell behind goes on from now: a burst would be another load than the one asked for. */
    private static final long BEHIND_MAX = Duration.ofMillis(500).toNanos();
    static final Duration POLL = Duration.ofMillis(200);

    private final Map<String, String> a;
    private final Properties properties = new Properties();
    private final Journal journal;
    private final Path stop;

    private Load(String bootstrap, Map<String, String> arguments) throws Exception {
        a = arguments;
        journal = new Journal(Paths.get(a.get("journal")));
        stop = Paths.get(a.get("stop"));
        properties.put("bootstrap.servers", bootstrap);
        properties.put("client.id", a.get("row"));
        for (Map.Entry<String, String> argument : a.entrySet()) {
            // What has a dot is the client's own setting.
            if (argument.getKey().contains(".") || argument.getKey().equals("acks") || argument.getKey().equals("retries")) {
                properties.put(argument.getKey(), argument.getValue());
            }
        }
    }

    public static void main(String[] args) throws Exception {
        List<Thread> threads = new ArrayList<>();
        for (String argument : Arrays.asList(args).subList(1, args.length)) {
            Map<String, String> arguments = new HashMap<>();
            for (String pair : argument.split(";")) arguments.put(pair.substring(0, pair.indexOf('=')), pair.substring(pair.indexOf('=') + 1));
            Load load = new Load(args[0], arguments);
            Thread thread = new Thread(load::run, arguments.get("row"));
            threads.add(thread);
            thread.start();
        }
        for (Thread thread : threads) thread.join();
    }

    private void run() {
        try {
            switch (a.get("task")) {
                case "produce": produce(); break;
                case "transact": transact(); break;
                case "consume": consume(); break;
                case "share": Share.consume(properties, topics(), journal, this::stopped); break;
                default: throw new IllegalArgumentException(a.get("task"));
            }
        } catch (Throwable e) {
            e.printStackTrace();
            journal.exception(e);
        }
    }

    private boolean stopped() {
        return Files.exists(stop);
    }

    private List<String> topics() {
        return Arrays.asList(a.get("topic").split(","));
    }

    private ProducerRecord<byte[], byte[]> record(int number) {
        int partition = number % Integer.parseInt(a.get("partitions"));
        byte[] value = (a.get("row") + ":" + partition + ":" + number).getBytes(StandardCharsets.UTF_8);
        return new ProducerRecord<>(a.get("topic"), partition, null, value);
    }

    private final class Pace {
        private final long interval = Duration.ofSeconds(1).toNanos() / Integer.parseInt(a.get("rate"));
        private long due = System.nanoTime();

        void await() throws InterruptedException {
            due = Math.max(due + interval, System.nanoTime() - BEHIND_MAX);
            long left = due - System.nanoTime();
            if (left > 0) Thread.sleep(left / 1_000_000, (int) (left % 1_000_000));
        }
    }

    private void produce() throws Exception {
        KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
        Pace pace = new Pace();
        int number = 0;
        for (; !stopped(); number++) {
            ProducerRecord<byte[], byte[]> record = record(number);
            int sent = number;
            long begun = System.nanoTime();
            try {
                producer.send(record, (metadata, error) -> {
                    if (error == null) journal.acknowledged(record.partition(), sent, begun, metadata.hasOffset() ? metadata.offset() : -1);
                    else journal.failed(record.partition(), sent, begun, error);
                });
            } catch (KafkaException e) {
                journal.failed(record.partition(), sent, begun, e);
            }
            pace.await();
        }
        producer.flush();
        journal.closed(closed(producer.metrics()));
        producer.close(Duration.ofSeconds(10));
        journal.done(number);
    }

    /** Transactions of "chunk" records. What was in one that failed counts as failed and is not sent again. */
    private void transact() throws Exception {
        int chunk = Integer.parseInt(a.get("chunk"));
        Pace pace = new Pace();
        int number = 0;
        KafkaProducer<byte[], byte[]> producer = transactional();
        while (!stopped()) {
            int first = number;
            long begun = System.nanoTime();
            List<Future<RecordMetadata>> futures = new ArrayList<>();
            try {
                producer.beginTransaction();
                while (futures.size() < chunk) {
                    futures.add(producer.send(record(number++)));
                    pace.await();
                }
                commit(producer);
                for (int at = 0; at < chunk; at++) journal.acknowledged(record(first + at).partition(), first + at, begun, futures.get(at).get().offset());
            } catch (KafkaException e) {
                journal.exception(e);
                for (int failed = first; failed < number; failed++) journal.failed(record(failed).partition(), failed, begun, e);
                producer = recovered(producer);
            }
        }
        journal.closed(closed(producer.metrics()));
        producer.close(Duration.ofSeconds(10));
        journal.done(number);
    }

    /** A commit that timed out is asked for again, as its documentation says. */
    private void commit(KafkaProducer<byte[], byte[]> producer) {
        for (int attempt = 1; ; attempt++) {
            try {
                producer.commitTransaction();
                return;
            } catch (TimeoutException e) {
                journal.exception(e);
                if (attempt == 3) throw e;
            }
        }
    }

    private KafkaProducer<byte[], byte[]> recovered(KafkaProducer<byte[], byte[]> producer) {
        try {
            producer.abortTransaction();
            return producer;
        } catch (KafkaException e) {
            producer.close(Duration.ZERO);
            return transactional();
        }
    }

    private KafkaProducer<byte[], byte[]> transactional() {
        while (true) {
            KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
            try {
                producer.initTransactions();
                return producer;
            } catch (KafkaException e) {
                journal.exception(e);
                producer.close(Duration.ZERO);
            }
        }
    }

    private void consume() throws Exception {
        properties.put("auto.offset.reset", "earliest");
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(topics());
            while (!stopped()) {
                try {
                    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) journal.received(record);
                    journal.flush();
                } catch (KafkaException e) {
                    e.printStackTrace();
                    journal.exception(e);
                    Thread.sleep(POLL.toMillis());
                }
            }
            journal.closed(closed(consumer.metrics()));
            journal.done(0);
        }
    }

    /** Connections that ended, whoever ended them. */
    static long closed(Map<MetricName, ? extends Metric> metrics) {
        double closed = 0;
        for (Map.Entry<MetricName, ? extends Metric> entry : metrics.entrySet()) {
            // The same name is there for each node as well.
            if (entry.getKey().name().equals("connection-close-total") && !entry.getKey().tags().containsKey("node-id")) closed += (Double) entry.getValue().metricValue();
        }
        return (long) closed;
    }
}
