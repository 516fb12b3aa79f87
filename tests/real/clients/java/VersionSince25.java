import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** What is asked of clients since 2.5 in another way than of earlier ones. */
final class Version {
    static void alter(AdminClient admin, ConfigResource resource, String key, String value) throws Exception {
        Collection<AlterConfigOp> change = Collections.singleton(new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET));
        admin.incrementalAlterConfigs(Collections.singletonMap(resource, change)).all().get();
    }

    static void reassign(AdminClient admin, TopicPartition partition, List<Integer> replicas) throws Exception {
        admin.alterPartitionReassignments(Collections.singletonMap(partition, Optional.of(new NewPartitionReassignment(replicas)))).all().get();
    }

    /** How many partitions are being moved. */
    static String reassigning(AdminClient admin) throws Exception {
        return "" + admin.listPartitionReassignments().reassignments().get().size();
    }

    /** In the way that both 2.6 and 4.x have: the old name of the result is gone in the one, the new one not yet there in the other. */
    static TopicDescription describe(AdminClient admin, String topic) throws Exception {
        Object result = admin.describeTopics(Collections.singleton(topic));
        java.lang.reflect.Method values;
        try {
            values = result.getClass().getMethod("topicNameValues");
        } catch (NoSuchMethodException e) {
            values = result.getClass().getMethod("values");
        }
        Object future = ((Map<?, ?>) values.invoke(result)).get(topic);
        return (TopicDescription) ((org.apache.kafka.common.KafkaFuture<?>) future).get();
    }

    static void sendOffsets(KafkaProducer<byte[], byte[]> producer, Map<TopicPartition, OffsetAndMetadata> offsets, String group) {
        producer.sendOffsetsToTransaction(offsets, new ConsumerGroupMetadata(group));
    }
}
