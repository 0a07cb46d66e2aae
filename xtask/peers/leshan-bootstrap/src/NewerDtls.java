import java.io.File;
import java.net.InetSocketAddress;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.core.network.config.NetworkConfig;
import org.eclipse.californium.core.observe.ObservationStore;
import org.eclipse.californium.elements.AddressEndpointContext;
import org.eclipse.californium.elements.Connector;
import org.eclipse.californium.elements.EndpointContext;
import org.eclipse.californium.elements.EndpointContextMatcher;
import org.eclipse.californium.elements.RawData;
import org.eclipse.californium.elements.RawDataChannel;
import org.eclipse.californium.elements.UdpEndpointContextMatcher;
import org.eclipse.californium.elements.auth.PreSharedKeyIdentity;
import org.eclipse.californium.scandium.config.DtlsConnectorConfig;
import org.eclipse.leshan.core.californium.EndpointFactory;

/**
 * Lets the bootstrap server have the DTLS of the newer Leshan: its own Scandium has no extended
 * master secret (RFC 7627), which our DTLS insists on. {@code Secure} is loaded beside it.
 */
final class NewerDtls implements Connector, EndpointFactory {
    private final InetSocketAddress address;
    private final BiConsumer<String, byte[]> keys;
    private final BiConsumer<InetSocketAddress, byte[]> sender;
    private volatile RawDataChannel receiver;

    @SuppressWarnings("unchecked")
    NewerDtls(InetSocketAddress address, String classPath) throws Exception {
        this.address = address;
        List<URL> all = new ArrayList<>();
        for (String part : classPath.split(File.pathSeparator)) {
            File[] jars = part.endsWith("*") ? new File(part).getParentFile().listFiles() : new File[] {new File(part)};
            for (File jar : jars) {
                all.add(jar.toURI().toURL());
            }
        }
        ClassLoader loader = new URLClassLoader(all.toArray(URL[]::new), ClassLoader.getPlatformClassLoader());
        Class<?> secure = loader.loadClass("Secure");
        Consumer<Object[]> received = this::received;
        Object made = secure.getConstructor(InetSocketAddress.class, Consumer.class).newInstance(address, received);
        keys = (BiConsumer<String, byte[]>) secure.getMethod("keys").invoke(made);
        sender = (BiConsumer<InetSocketAddress, byte[]>) secure.getMethod("sender").invoke(made);
    }

    void key(String identity, byte[] key) {
        keys.accept(identity, key);
    }

    private void received(Object[] message) {
        EndpointContext from = new AddressEndpointContext((InetSocketAddress) message[1],
                new PreSharedKeyIdentity((String) message[2]));
        receiver.receiveData(RawData.inbound((byte[]) message[0], from, false, System.nanoTime()));
    }

    @Override
    public void send(RawData message) {
        message.onContextEstablished(message.getEndpointContext());
        sender.accept(message.getInetSocketAddress(), message.getBytes());
        message.onSent();
    }

    @Override
    public CoapEndpoint createUnsecuredEndpoint(InetSocketAddress at, NetworkConfig config, ObservationStore store) {
        return new CoapEndpoint.Builder().setInetSocketAddress(at).setNetworkConfig(config).build();
    }

    @Override
    public CoapEndpoint createSecuredEndpoint(DtlsConnectorConfig unused, NetworkConfig config, ObservationStore store) {
        return new CoapEndpoint.Builder().setConnector(this).setNetworkConfig(config)
                .setEndpointContextMatcher(new UdpEndpointContextMatcher(true)).build();
    }

    @Override
    public void start() {}

    @Override
    public void stop() {}

    @Override
    public void destroy() {}

    @Override
    public void setRawDataReceiver(RawDataChannel channel) {
        receiver = channel;
    }

    @Override
    public void setEndpointContextMatcher(EndpointContextMatcher matcher) {}

    @Override
    public InetSocketAddress getAddress() {
        return address;
    }

    @Override
    public String getProtocol() {
        return "DTLS";
    }
}
