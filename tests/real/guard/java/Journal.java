import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.errors.RetriableException;

/** What a client was told, a line for each event: a letter, milliseconds since 1970, and what the letter asks for. */
final class Journal {
    private final BufferedWriter out;

    Journal(Path path) throws IOException {
        out = Files.newBufferedWriter(path);
    }

    void acknowledged(int partition, int number, long begun, long offset) {
        line("a", partition + " " + number + " " + waited(begun) + " " + offset);
        flush();
    }

    void failed(int partition, int number, long begun, Throwable error) {
        line("e", partition + " " + number + " " + waited(begun) + " " + named(error));
        flush();
    }

    /** Call flush after some of them. */
    void received(ConsumerRecord<byte[], byte[]> record) {
        line("r", record.topic() + " " + record.partition() + " " + record.offset() + " " + new String(record.value()));
    }

    void exception(Throwable error) {
        line("x", named(error));
        flush();
    }

    void closed(long connections) {
        line("c", "" + connections);
        flush();
    }

    void done(int sent) {
        line("d", "" + sent);
        flush();
    }

    synchronized void flush() {
        try {
            out.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private synchronized void line(String kind, String text) {
        try {
            out.write(kind + " " + System.currentTimeMillis() + " " + text.replace('\n', ' ') + "\n");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Milliseconds since a moment of System.nanoTime(). */
    private static long waited(long begun) {
        return (System.nanoTime() - begun) / 1_000_000;
    }

    /** What the library itself would not try again is marked. */
    private static String named(Throwable error) {
        return error.getClass().getSimpleName() + " " + error.getMessage() + (error instanceof RetriableException ? "" : " (final)");
    }
}
