import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The Java clients, driven by lines on standard input: a command and its key=value arguments, separated by tabs. Each is answered by rows that begin
 * with "| ", and then by one line "ok" or "error …". It ends when its input ends, whatever it is doing.
 */
public final class Probe {
    private static final Duration POLL = Duration.ofMillis(200);

    private final Properties settings;
    private final PrintStream out;
    private final AdminClient admin;
    /** Producers and consumers that are kept open from one command to the next, by the name given as "client". */
    private final Map<String, KafkaProducer<byte[], byte[]>> producers = new HashMap<>();
    private final Map<String, KafkaConsumer<byte[], byte[]>> consumers = new HashMap<>();

    private Probe(Properties settings, PrintStream out) {
        this.settings = settings;
        this.out = out;
        this.admin = AdminClient.create(properties());
    }

    public static void main(String[] args) throws Exception {
        BlockingQueue<String> lines = new LinkedBlockingQueue<>();
        Thread reader = new Thread(() -> {
            try {
                BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
                for (String line = input.readLine(); line != null; line = input.readLine()) {
                    lines.add(line);
                }
            } catch (java.io.IOException e) {
                System.err.println(e);
            }
            Runtime.getRuntime().halt(0);
        });
        reader.setDaemon(true);
        reader.start();
        PrintStream out = new PrintStream(System.out, false, "UTF-8");
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args[0]);
        for (String setting : Arrays.asList(args).subList(1, args.length)) {
            settings.put(setting.substring(0, setting.indexOf('=')), setting.substring(setting.indexOf('=') + 1));
        }
        Probe probe = new Probe(settings, out);
        while (true) {
            String[] words = lines.take().split("\t");
            Map<String, String> arguments = new HashMap<>();
            for (String word : Arrays.asList(words).subList(1, words.length)) {
                int equals = word.indexOf('=');
                arguments.put(word.substring(0, equals), word.substring(equals + 1));
            }
            try {
                probe.run(words[0], arguments);
                out.println("ok");
            } catch (Throwable e) {
                e.printStackTrace();
                Throwable cause = e instanceof java.util.concurrent.ExecutionException ? e.getCause() : e;
                out.println("error " + cause.toString().replace('\n', ' '));
            }
            out.flush();
        }
    }

    private void run(String command, Map<String, String> a) throws Exception {
        switch (command) {
            case "create": create(a); break;
            case "partitions": admin.createPartitions(Collections.singletonMap(a.get("topic"), NewPartitions.increaseTo(number(a, "count")))).all().get(); break;
            case "describe": describe(a.get("topic")); break;
            case "topics": for (String name : admin.listTopics().names().get()) row(name); break;
            case "delete": admin.deleteTopics(Collections.singleton(a.get("topic"))).all().get(); break;
            case "config": config(a.get("topic"), a.get("key")); break;
            case "alter": Version.alter(admin, new ConfigResource(ConfigResource.Type.TOPIC, a.get("topic")), a.get("key"), a.get("value")); break;
            case "group-config": Version.alter(admin, new ConfigResource(ConfigResource.Type.valueOf("GROUP"), a.get("group")), a.get("key"), a.get("value")); break;
            case "reassign": Version.reassign(admin, new TopicPartition(a.get("topic"), number(a, "partition")), ids(a.get("replicas"))); break;
            case "reassigning": row(Version.reassigning(admin)); break;
            case "trim": admin.deleteRecords(Collections.singletonMap(new TopicPartition(a.get("topic"), number(a, "partition")),
                RecordsToDelete.beforeOffset(number(a, "offset")))).all().get(); break;
            case "cluster": for (Node node : admin.describeCluster().nodes().get()) row(node.id() + "\t" + node.host() + ":" + node.port()); break;
            case "groups": admin.listConsumerGroups().all().get().forEach(group -> row(group.groupId())); break;
            case "group": row("" + admin.describeConsumerGroups(Collections.singleton(a.get("group"))).all().get().get(a.get("group")).coordinator().port()); break;
            case "offsets": admin.listConsumerGroupOffsets(a.get("group")).partitionsToOffsetAndMetadata().get().forEach((partition, offset) ->
                row(partition.topic() + "\t" + partition.partition() + "\t" + offset.offset())); break;
            case "delete-group": admin.deleteConsumerGroups(Collections.singleton(a.get("group"))).all().get(); break;
            case "produce": produce(a); break;
            case "transactions": transactions(a); break;
            case "read": read(a); break;
            case "consume": consume(a); break;
            case "share": Share.consume(properties(), a, this::row); break;
            default: throw new IllegalArgumentException("no command " + command);
        }
    }

    private void create(Map<String, String> a) throws Exception {
        NewTopic topic;
        if (a.containsKey("replicas")) {
            topic = new NewTopic(a.get("topic"), Collections.singletonMap(0, ids(a.get("replicas"))));
        } else {
            topic = new NewTopic(a.get("topic"), number(a, "partitions"), (short) number(a, "factor"));
        }
        if (a.containsKey("config")) {
            String[] pair = a.get("config").split("=", 2);
            topic.configs(Collections.singletonMap(pair[0], pair[1]));
        }
        admin.createTopics(Collections.singleton(topic)).all().get();
    }

    @SuppressWarnings("deprecation")
    private void describe(String name) throws Exception {
        TopicDescription description = Version.describe(admin, name);
        for (TopicPartitionInfo info : description.partitions()) {
            StringBuilder replicas = new StringBuilder();
            for (Node node : info.replicas()) replicas.append(replicas.length() == 0 ? "" : ",").append(node.id());
            row(info.partition() + "\t" + (info.leader() == null ? -1 : info.leader().id()) + "\t" + replicas);
        }
    }

    private void config(String topic, String key) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Map<ConfigResource, Config> configs = admin.describeConfigs(Collections.singleton(resource)).all().get();
        row(configs.get(resource).get(key).value());
    }

    private KafkaProducer<byte[], byte[]> producer(Map<String, String> a) {
        Properties p = properties();
        for (String key : Arrays.asList("acks", "compression.type", "enable.idempotence", "transactional.id", "retries", "max.in.flight.requests.per.connection")) {
            if (a.containsKey(key)) p.put(key, a.get(key));
        }
        // A batch ends where the command says "flush", so that two runs make the same batches.
        p.put("linger.ms", "30000");
        p.put("batch.size", "262144");
        p.put("delivery.timeout.ms", "90000");
        return new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** Sends the records of a file, flushing after each "flush" of them; rows: partition, offset. */
    private void produce(Map<String, String> a) throws Exception {
        String name = a.get("client");
        KafkaProducer<byte[], byte[]> producer = name == null ? producer(a) : producers.computeIfAbsent(name, unused -> producer(a));
        try {
            for (RecordMetadata metadata : send(producer, a, records(a))) row(metadata.partition() + "\t" + (metadata.hasOffset() ? metadata.offset() : -1));
        } finally {
            if (name == null) producer.close();
        }
    }

    private List<RecordMetadata> send(KafkaProducer<byte[], byte[]> producer, Map<String, String> a, List<ProducerRecord<byte[], byte[]>> records) throws Exception {
        int flush = a.containsKey("flush") ? number(a, "flush") : Integer.MAX_VALUE;
        List<Future<RecordMetadata>> futures = new ArrayList<>();
        for (ProducerRecord<byte[], byte[]> record : records) {
            futures.add(producer.send(record));
            if (futures.size() % flush == 0) producer.flush();
        }
        producer.flush();
        List<RecordMetadata> sent = new ArrayList<>();
        for (Future<RecordMetadata> future : futures) sent.add(future.get());
        return sent;
    }

    /** Transactions of "chunk" records each, of which every third is aborted, and the offset of a group in each that is not. */
    private void transactions(Map<String, String> a) throws Exception {
        List<ProducerRecord<byte[], byte[]>> records = records(a);
        int chunk = number(a, "chunk");
        try (KafkaProducer<byte[], byte[]> producer = producer(a)) {
            producer.initTransactions();
            for (int from = 0, transaction = 0; from < records.size(); from += chunk, transaction++) {
                producer.beginTransaction();
                send(producer, a, records.subList(from, Math.min(from + chunk, records.size())));
                if (a.containsKey("group")) {
                    Map<TopicPartition, OffsetAndMetadata> offsets =
                        Collections.singletonMap(new TopicPartition(a.get("topic"), 0), new OffsetAndMetadata(1000 + transaction));
                    Version.sendOffsets(producer, offsets, a.get("group"));
                }
                if (transaction % 3 == 2) producer.abortTransaction(); else producer.commitTransaction();
            }
        }
    }

    private KafkaConsumer<byte[], byte[]> consumer(Map<String, String> a) {
        Properties p = properties();
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "false");
        for (String key : Arrays.asList("group.id", "isolation.level", "group.protocol", "client.rack")) {
            if (a.containsKey(key)) p.put(key, a.get(key));
        }
        return new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** Reads every partition of a topic from its beginning to the end that it has now; rows: records. */
    private void read(Map<String, String> a) throws Exception {
        String name = a.get("client");
        KafkaConsumer<byte[], byte[]> consumer = name == null ? consumer(a) : consumers.computeIfAbsent(name, unused -> consumer(a));
        try {
            List<TopicPartition> partitions = new ArrayList<>();
            consumer.partitionsFor(a.get("topic")).forEach(info -> partitions.add(new TopicPartition(info.topic(), info.partition())));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            Set<TopicPartition> left = new HashSet<>(partitions);
            long deadline = deadline(a);
            while (true) {
                left.removeIf(partition -> consumer.position(partition) >= ends.get(partition));
                if (left.isEmpty()) break;
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) row(line(record));
                if (System.nanoTime() > deadline) throw new IllegalStateException("not at the end yet: " + left);
            }
        } finally {
            if (name == null) consumer.close();
        }
    }

    /** A group of "members" consumers reads "count" records and commits; rows: records. Reading goes on for one poll, so that one too many is seen. */
    private void consume(Map<String, String> a) throws Exception {
        int members = a.containsKey("members") ? number(a, "members") : 1;
        int count = number(a, "count");
        AtomicInteger seen = new AtomicInteger();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Set<Integer> assigned = ConcurrentHashMap.newKeySet();
        long deadline = deadline(a);
        List<Thread> threads = new ArrayList<>();
        for (int member = 0; member < members; member++) {
            int number = member;
            Thread thread = new Thread(() -> {
                try (KafkaConsumer<byte[], byte[]> consumer = consumer(a)) {
                    consumer.subscribe(Collections.singleton(a.get("topic")));
                    boolean done = false;
                    while (!done && failure.get() == null) {
                        // All members must have got a part before it counts as done: the group has been balanced among them.
                        done = seen.get() >= count && assigned.size() == members;
                        int got = 0;
                        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
                            row(line(record));
                            got++;
                        }
                        if (!consumer.assignment().isEmpty()) assigned.add(number);
                        if (got > 0) consumer.commitSync();
                        seen.addAndGet(got);
                        if (System.nanoTime() > deadline) throw new IllegalStateException("saw " + seen + " records of " + count + ", assigned members: " + assigned);
                    }
                } catch (Throwable e) {
                    failure.compareAndSet(null, e);
                }
            });
            threads.add(thread);
            thread.start();
        }
        for (Thread thread : threads) thread.join();
        if (failure.get() != null) throw new IllegalStateException(failure.get().toString(), failure.get());
    }

    private List<ProducerRecord<byte[], byte[]>> records(Map<String, String> a) throws Exception {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (String line : Files.readAllLines(Paths.get(a.get("file")))) {
            String[] fields = line.split("\t", -1);
            ProducerRecord<byte[], byte[]> record =
                new ProducerRecord<>(a.get("topic"), Integer.valueOf(fields[0]), Long.valueOf(fields[1]), unhex(fields[2]), unhex(fields[3]));
            for (String header : fields[4].isEmpty() ? new String[0] : fields[4].split(",")) {
                int equals = header.indexOf('=');
                record.headers().add(header.substring(0, equals), unhex(header.substring(equals + 1)));
            }
            records.add(record);
        }
        return records;
    }

    static String line(ConsumerRecord<byte[], byte[]> record) {
        StringBuilder headers = new StringBuilder();
        for (Header header : record.headers()) {
            headers.append(headers.length() == 0 ? "" : ",").append(header.key()).append('=').append(hex(header.value()));
        }
        return record.partition() + "\t" + record.timestamp() + "\t" + hex(record.key()) + "\t" + hex(record.value()) + "\t" + headers + "\t" + record.offset();
    }

    private Properties properties() {
        Properties properties = new Properties();
        properties.putAll(settings);
        return properties;
    }

    private synchronized void row(String text) {
        out.println("| " + text);
    }

    private static long deadline(Map<String, String> a) {
        return System.nanoTime() + Duration.ofSeconds(a.containsKey("seconds") ? number(a, "seconds") : 60).toNanos();
    }

    private static int number(Map<String, String> a, String key) {
        return Integer.parseInt(a.get(key));
    }

    private static List<Integer> ids(String text) {
        List<Integer> ids = new ArrayList<>();
        for (String id : text.split(",")) ids.add(Integer.valueOf(id));
        return ids;
    }

    static String hex(byte[] bytes) {
        if (bytes == null) return "-";
        StringBuilder text = new StringBuilder();
        for (byte b : bytes) text.append(String.format("%02x", b));
        return text.toString();
    }

    static byte[] unhex(String text) {
        if (text.equals("-")) return null;
        byte[] bytes = new byte[text.length() / 2];
        for (int at = 0; at < bytes.length; at++) bytes[at] = (byte) Integer.parseInt(text.substring(2 * at, 2 * at + 2), 16);
        return bytes;
    }
}
