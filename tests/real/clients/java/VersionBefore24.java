import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** What is asked of clients before 2.4 in another way than of later ones. */
final class Version {
    /** The only call of that time replaces all that was set. */
    static void alter(AdminClient admin, ConfigResource resource, String key, String value) throws Exception {
        admin.alterConfigs(Collections.singletonMap(resource, new Config(Collections.singleton(new ConfigEntry(key, value))))).all().get();
    }

    static void reassign(AdminClient admin, TopicPartition partition, List<Integer> replicas) {
        throw new UnsupportedOperationException("reassignment goes by ZooKeeper in this version");
    }

    static String reassigning(AdminClient admin) {
        throw new UnsupportedOperationException("reassignment goes by ZooKeeper in this version");
    }

    static TopicDescription describe(AdminClient admin, String topic) throws Exception {
        return admin.describeTopics(Collections.singleton(topic)).all().get().get(topic);
    }

    static void sendOffsets(KafkaProducer<byte[], byte[]> producer, Map<TopicPartition, OffsetAndMetadata> offsets, String group) {
        producer.sendOffsetsToTransaction(offsets, group);
    }
}
