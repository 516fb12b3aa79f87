import java.util.List;
import java.util.Properties;
import java.util.function.BooleanSupplier;

/** Clients without share groups. */
final class Share {
    static void consume(Properties properties, List<String> topics, Journal journal, BooleanSupplier stopped) {
        throw new UnsupportedOperationException("no share groups in this version");
    }
}
