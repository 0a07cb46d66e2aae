import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.eclipse.californium.elements.AddressEndpointContext;
import org.eclipse.californium.elements.RawData;
import org.eclipse.californium.elements.auth.PreSharedKeyIdentity;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.scandium.DTLSConnector;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.californium.scandium.config.DtlsConnectorConfig;
import org.eclipse.californium.scandium.dtls.pskstore.MultiPskStore;

/**
 * A DTLS server with PSK by the Scandium of this Leshan, for the bootstrap server of an older one:
 * only types of Java itself pass between both.
 */
public final class Secure {
    private final MultiPskStore keys = new MultiPskStore();
    private final DTLSConnector connector;

    /** Listens; each message comes with its address and the identity of its sender. */
    public Secure(InetSocketAddress address, Consumer<Object[]> received) throws IOException {
        DtlsConfig.register();
        DtlsConnectorConfig.Builder builder = DtlsConnectorConfig.builder(Configuration.createStandardWithoutFile());
        builder.set(DtlsConfig.DTLS_ROLE, DtlsConfig.DtlsRole.SERVER_ONLY);
        builder.setAddress(address).setPskStore(keys);
        connector = new DTLSConnector(builder.build());
        connector.setRawDataReceiver(raw -> received.accept(new Object[] {
            raw.getBytes(), raw.getInetSocketAddress(),
            ((PreSharedKeyIdentity) raw.getSenderIdentity()).getIdentity()}));
        connector.start();
    }

    /** Makes the key of an identity known. */
    public BiConsumer<String, byte[]> keys() {
        return keys::setKey;
    }

    /** Sends a message to a peer that has a session. */
    public BiConsumer<InetSocketAddress, byte[]> sender() {
        return (peer, data) -> connector.send(RawData.outbound(data, new AddressEndpointContext(peer), null, false));
    }
}
