import java.util.List;
import java.util.Properties;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A member of a share group (KIP-932); the next poll acknowledges what the one before it gave. */
final class Share {
    static void consume(Properties properties, List<String> topics, Journal journal, BooleanSupplier stopped) throws Exception {
        try (KafkaShareConsumer<byte[], byte[]> consumer = new KafkaShareConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(topics);
            while (!stopped.getAsBoolean()) {
                try {
                    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Load.POLL)) journal.received(record);
                    journal.flush();
                } catch (KafkaException e) {
                    e.printStackTrace();
                    journal.exception(e);
                    Thread.sleep(Load.POLL.toMillis());
                }
            }
            journal.closed(Load.closed(consumer.metrics()));
            journal.done(0);
        }
    }
}
