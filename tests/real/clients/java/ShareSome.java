import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Share groups (KIP-932). */
final class Share {
    /** "members" consumers share "count" records; every tenth is released once, so that it must come again; rows: the accepted records. */
    static void consume(Properties properties, Map<String, String> a, Consumer<String> row) throws Exception {
        properties.put("group.id", a.get("group.id"));
        properties.put("share.acknowledgement.mode", "explicit");
        int count = Integer.parseInt(a.get("count"));
        AtomicInteger accepted = new AtomicInteger();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        List<Thread> threads = new ArrayList<>();
        for (int member = 0; member < Integer.parseInt(a.get("members")); member++) {
            Thread thread = new Thread(() -> {
                try (KafkaShareConsumer<byte[], byte[]> consumer = new KafkaShareConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
                    consumer.subscribe(Collections.singleton(a.get("topic")));
                    while (accepted.get() < count && failure.get() == null) {
                        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                            boolean first = record.deliveryCount().orElse((short) 1) == 1;
                            if (first && record.offset() % 10 == 3) {
                                consumer.acknowledge(record, AcknowledgeType.RELEASE);
                            } else {
                                consumer.acknowledge(record, AcknowledgeType.ACCEPT);
                                row.accept(Probe.line(record));
                                accepted.incrementAndGet();
                            }
                        }
                        consumer.commitSync().forEach((partition, error) -> error.ifPresent(e -> failure.compareAndSet(null, e)));
                        if (System.nanoTime() > deadline) throw new IllegalStateException("accepted " + accepted + " records of " + count);
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
}
