import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.leshan.client.LeshanClient;
import org.eclipse.leshan.client.LeshanClientBuilder;
import org.eclipse.leshan.client.engine.DefaultRegistrationEngineFactory;
import org.eclipse.leshan.client.object.LwM2mTestObject;
import org.eclipse.leshan.client.object.Security;
import org.eclipse.leshan.client.object.Server;
import org.eclipse.leshan.client.observer.LwM2mClientObserverAdapter;
import org.eclipse.leshan.client.resource.ObjectsInitializer;
import org.eclipse.leshan.client.resource.SimpleInstanceEnabler;
import org.eclipse.leshan.client.send.ManualDataSender;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.ResponseCode;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.model.StaticModel;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.request.BootstrapRequest;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.DeregisterRequest;
import org.eclipse.leshan.core.request.RegisterRequest;
import org.eclipse.leshan.core.request.UpdateRequest;
import org.eclipse.leshan.core.request.WriteRequest;
import org.eclipse.leshan.core.request.argument.Arguments;
import org.eclipse.leshan.core.response.ExecuteResponse;
import org.eclipse.leshan.transport.californium.client.endpoint.CaliforniumClientEndpointsProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coap.CoapClientProtocolProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coaps.CoapsClientProtocolProvider;

/**
 * Leshan's client, any number of them, driven by lines on standard input; the argument is a file
 * of definitions. Each line is answered by {@code DONE NAME COMMAND} or {@code FAILED NAME COMMAND
 * REASON}; what happens to a client is told as {@code EVENT NAME WHAT}.
 *
 * <pre>
 * start NAME URI LIFETIME [KEY]    registers; the PSK identity is the name
 * bootstrap NAME URI [KEY]         asks a bootstrap server first
 * set NAME PATH TEXT               changes a value
 * send NAME FORMAT PATH...         sends values; with FORMAT@ two collected values with their times
 * update NAME · move NAME · stop NAME
 * </pre>
 */
public final class Device {
    private record Running(LeshanClient client, CaliforniumClientEndpointsProvider endpoints, Plain sensor) {}

    private final List<ObjectModel> models;
    private final Map<String, Running> running = new ConcurrentHashMap<>();

    private Device(List<ObjectModel> models) {
        this.models = models;
    }

    public static void main(String[] args) throws Exception {
        Device devices = new Device(Nodes.models(args[0], false));
        ExecutorService workers = Executors.newCachedThreadPool();
        System.out.println("LISTENING lines 0");
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ");
            workers.execute(() -> {
                try {
                    devices.obey(words);
                    System.out.println("DONE " + words[1] + " " + words[0]);
                } catch (Exception error) {
                    System.out.println("FAILED " + words[1] + " " + words[0] + " " + error.toString().replace('\n', ' '));
                }
            });
        }
        System.exit(0);
    }

    private void obey(String[] w) throws Exception {
        String name = w[1];
        switch (w[0]) {
            case "start" -> {
                byte[] key = w.length > 4 ? HexFormat.of().parseHex(w[4]) : null;
                Security security = key == null ? Security.noSec(w[2], 1)
                        : Security.psk(w[2], 1, name.getBytes(), key);
                start(name, security, new Server(1, Long.parseLong(w[3])));
            }
            case "bootstrap" -> {
                byte[] key = w.length > 3 ? HexFormat.of().parseHex(w[3]) : null;
                start(name, key == null ? Security.noSecBootstrap(w[2])
                        : Security.pskBootstrap(w[2], name.getBytes(), key), null);
            }
            case "set" -> set(name, new LwM2mPath(w[2]), String.join(" ", Arrays.copyOfRange(w, 3, w.length)));
            case "send" -> send(name, w[2], Arrays.copyOfRange(w, 3, w.length));
            case "update" -> running.get(name).client.triggerRegistrationUpdate();
            case "move" -> {
                var endpoints = running.get(name).endpoints;
                endpoints.stop();
                endpoints.start();
            }
            case "stop" -> running.remove(name).client.destroy(true);
            default -> throw new IllegalArgumentException("no such command");
        }
    }

    private void start(String name, Security security, Server server) throws Exception {
        ObjectsInitializer objects = new ObjectsInitializer(new StaticModel(models));
        objects.setInstancesForObject(0, security);
        if (server != null) {
            objects.setInstancesForObject(1, server);
        } else {
            objects.setClassForObject(1, Server.class);
        }
        Map<Integer, Object> device = new HashMap<>();
        device.put(0, "Leshan");
        device.put(14, "+00:00");
        device.put(16, "U");
        objects.setInstancesForObject(3, new Plain(0, device));
        objects.setClassForObject(3303, Plain.class);
        Plain sensor = new Plain(0, new HashMap<>(Map.of(5700, 20.0)));
        objects.setInstancesForObject(3303, sensor);
        objects.setClassForObject(3442, LwM2mTestObject.class);
        LwM2mTestObject test = new LwM2mTestObject();
        test.setId(0);
        objects.setInstancesForObject(3442, test);
        var builder = new CaliforniumClientEndpointsProvider.Builder(
                new CoapClientProtocolProvider(), new CoapsClientProtocolProvider());
        var configuration = builder.createDefaultConfiguration();
        configuration.set(CoapConfig.MAX_RESOURCE_BODY_SIZE, 65536);
        builder.setConfiguration(configuration);
        builder.setClientAddress(InetAddress.getByName("127.0.0.1"));
        CaliforniumClientEndpointsProvider endpoints = builder.build();
        LeshanClientBuilder client = new LeshanClientBuilder(name);
        client.setObjects(objects.createAll());
        client.setEndpointsProviders(endpoints);
        client.setRegistrationEngineFactory(new DefaultRegistrationEngineFactory());
        client.setDataSenders(new ManualDataSender());
        LeshanClient leshan = client.build();
        leshan.addObserver(new Teller(name));
        running.put(name, new Running(leshan, endpoints, sensor));
        leshan.start();
        endpoints.getCoapServer().getEndpoints().forEach(e -> e.addInterceptor(new Nodes.Tracer(name)));
    }

    private void set(String name, LwM2mPath path, String text) throws Exception {
        LeshanClient client = running.get(name).client;
        LwM2mModel model = client.getObjectTree().getModel();
        if (path.getObjectId() == 3303) {
            Object value = Nodes.parse(Nodes.type(path, model), Nodes.JSON.getNodeFactory().textNode(text));
            running.get(name).sensor.put(path.getResourceId(), value);
            return;
        }
        ObjectNode json = Nodes.JSON.createObjectNode();
        json.put("kind", path.isResourceInstance() ? "resourceInstance" : "singleResource");
        json.put("id", path.isResourceInstance() ? path.getResourceInstanceId() : path.getResourceId());
        json.put("value", text);
        if (model.getResourceModel(path.getObjectId(), path.getResourceId()).multiple && path.isResource()) {
            // Values of a multiple resource come as ID=VALUE,ID=VALUE.
            json.put("kind", "multiResource");
            ObjectNode values = json.putObject("values");
            for (String pair : text.split(",")) {
                values.put(pair.substring(0, pair.indexOf('=')), pair.substring(pair.indexOf('=') + 1));
            }
        }
        LwM2mNode node = Nodes.fromJson(path, json, model);
        var request = new WriteRequest(WriteRequest.Mode.REPLACE, ContentFormat.TLV, path, node, null);
        var response = client.getObjectTree().getObjectEnabler(path.getObjectId()).write(LwM2mServer.SYSTEM, request);
        if (!response.isSuccess()) {
            throw new IllegalStateException(response.toString());
        }
    }

    private void send(String name, String format, String[] paths) throws Exception {
        LeshanClient client = running.get(name).client;
        LwM2mServer server = client.getRegisteredServers().values().iterator().next();
        boolean times = format.endsWith("@");
        ContentFormat of = ContentFormat.fromName(format.replace("@", ""));
        if (!times) {
            var response = client.getSendService().sendData(server, of, List.of(paths), 5000);
            if (response == null || !response.isSuccess()) {
                throw new IllegalStateException(String.valueOf(response));
            }
            return;
        }
        var sender = client.getSendService().getDataSender(ManualDataSender.DEFAULT_NAME, ManualDataSender.class);
        List<LwM2mPath> list = Arrays.stream(paths).map(LwM2mPath::new).toList();
        sender.collectData(list);
        Thread.sleep(20); // Two collections of one moment would be one.
        sender.collectData(list);
        sender.sendCollectedData(server, of, 5000, false);
    }

    /** An instance whose values can be set whatever their operations are, and be executed. */
    public static final class Plain extends SimpleInstanceEnabler {
        public Plain() {}

        Plain(int id, Map<Integer, Object> values) {
            super(id, values);
        }

        void put(int resource, Object value) {
            fireResourcesChange(applyValues(Map.of(resource, value)));
        }

        @Override
        public ExecuteResponse execute(LwM2mServer server, int resource, Arguments arguments) {
            System.out.println("EVENT executed /" + getModel().id + "/" + getId() + "/" + resource + " " + arguments.serialize());
            return ExecuteResponse.success();
        }
    }

    private static final class Teller extends LwM2mClientObserverAdapter {
        private final String name;

        Teller(String name) {
            this.name = name;
        }

        private void tell(String what) {
            System.out.println("EVENT " + name + " " + what);
        }

        @Override
        public void onBootstrapSuccess(LwM2mServer server, BootstrapRequest request) {
            tell("bootstrapped");
        }

        @Override
        public void onBootstrapFailure(LwM2mServer server, BootstrapRequest request, ResponseCode code, String message, Exception cause) {
            tell("bootstrap failed " + code + " " + message + " " + cause);
        }

        @Override
        public void onRegistrationSuccess(LwM2mServer server, RegisterRequest request, String id) {
            tell("registered " + id);
        }

        @Override
        public void onRegistrationFailure(LwM2mServer server, RegisterRequest request, ResponseCode code, String message, Exception cause) {
            tell("registration failed " + code + " " + message + " " + cause);
        }

        @Override
        public void onUpdateSuccess(LwM2mServer server, UpdateRequest request) {
            tell("updated");
        }

        @Override
        public void onDeregistrationSuccess(LwM2mServer server, DeregisterRequest request) {
            tell("deregistered");
        }
    }
}
