import java.util.Map;
import java.util.Properties;
import java.util.function.Consumer;

/** Clients without share groups. */
final class Share {
    static void consume(Properties properties, Map<String, String> a, Consumer<String> row) {
        throw new UnsupportedOperationException("no share groups in this version");
    }
}
