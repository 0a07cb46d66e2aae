import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.core.link.Link;
import org.eclipse.leshan.core.link.attributes.Attribute;
import org.eclipse.leshan.core.link.lwm2m.attributes.DefaultLwM2mAttributeParser;
import org.eclipse.leshan.core.link.lwm2m.attributes.LwM2mAttributeSet;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.TimestampedLwM2mNodes;
import org.eclipse.leshan.core.observation.CompositeObservation;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.core.observation.SingleObservation;
import org.eclipse.leshan.core.request.*;
import org.eclipse.leshan.core.request.exception.ClientSleepingException;
import org.eclipse.leshan.core.response.*;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.server.model.VersionedModelProvider;
import org.eclipse.leshan.server.observation.ObservationListener;
import org.eclipse.leshan.server.queue.PresenceListener;
import org.eclipse.leshan.server.queue.StaticClientAwakeTimeProvider;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.registration.RegistrationListener;
import org.eclipse.leshan.server.registration.RegistrationUpdate;
import org.eclipse.leshan.server.send.SendListener;
import org.eclipse.leshan.servers.security.InMemorySecurityStore;
import org.eclipse.leshan.servers.security.SecurityInfo;
import org.eclipse.leshan.transport.californium.server.endpoint.CaliforniumServerEndpointsProvider;
import org.eclipse.leshan.transport.californium.server.endpoint.coap.CoapServerProtocolProvider;
import org.eclipse.leshan.transport.californium.server.endpoint.coaps.CoapsServerProtocolProvider;

/**
 * Leshan's server with as much of its demo's REST and SSE interface as the cases need.
 *
 * <p>Arguments: CoAP port, CoAPS port, file of definitions, milliseconds that a device in queue
 * mode stays awake. Prints {@code LISTENING http PORT}.
 */
public final class Server {
    private final LeshanServer leshan;
    private final InMemorySecurityStore keys = new InMemorySecurityStore();
    private final List<Listener> listeners = new CopyOnWriteArrayList<>();
    private final Map<String, ConcurrentLinkedQueue<Runnable>> delayed = new ConcurrentHashMap<>();
    private final AtomicLong requests = new AtomicLong();

    private record Listener(OutputStream out, String endpoint) {}

    private record Answer(int status, Object body) {}

    /** A request over HTTP that can't be carried out. */
    private static final class Bad extends Exception {
        final int status;

        Bad(int status, String reason) {
            super(reason);
            this.status = status;
        }
    }

    public static void main(String[] args) throws Exception {
        new Server(Integer.parseInt(args[0]), Integer.parseInt(args[1]), args[2], Integer.parseInt(args[3]));
    }

    private Server(int coap, int coaps, String models, int awake) throws Exception {
        var endpoints = new CaliforniumServerEndpointsProvider.Builder(
                new CoapServerProtocolProvider(), new CoapsServerProtocolProvider());
        var configuration = endpoints.createDefaultConfiguration();
        configuration.set(CoapConfig.MAX_RESOURCE_BODY_SIZE, 65536);
        endpoints.setConfiguration(configuration);
        InetAddress loopback = InetAddress.getByName("127.0.0.1");
        endpoints.addEndpoint(new InetSocketAddress(loopback, coap), Protocol.COAP);
        endpoints.addEndpoint(new InetSocketAddress(loopback, coaps), Protocol.COAPS);
        CaliforniumServerEndpointsProvider provider = endpoints.build();
        LeshanServerBuilder builder = new LeshanServerBuilder();
        builder.setEndpointsProviders(provider);
        builder.setSecurityStore(keys);
        builder.setObjectModelProvider(new VersionedModelProvider(Nodes.models(models, true)));
        builder.setClientAwakeTimeProvider(new StaticClientAwakeTimeProvider(awake));
        leshan = builder.build();
        listen();
        leshan.start();
        provider.getCoapServer().getEndpoints().forEach(e -> e.addInterceptor(new Nodes.Tracer(null)));
        HttpServer http = HttpServer.create(new InetSocketAddress(loopback, 0), 0);
        http.setExecutor(Executors.newCachedThreadPool());
        http.createContext("/api/event", this::events);
        http.createContext("/api", this::serve);
        http.start();
        System.out.println("LISTENING http " + http.getAddress().getPort());
        // Ends with its parent.
        while (System.in.read() >= 0) {
        }
        System.exit(0);
    }

    private void serve(HttpExchange exchange) throws IOException {
        Answer answer;
        try {
            answer = route(exchange);
        } catch (Bad bad) {
            answer = new Answer(bad.status, bad.getMessage());
        } catch (InterruptedException interrupted) {
            answer = new Answer(500, interrupted.toString());
        } catch (Exception error) {
            answer = new Answer(400, error.toString());
        }
        byte[] body = answer.body instanceof JsonNode json ? Nodes.JSON.writeValueAsBytes(json)
                : String.valueOf(answer.body).getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(answer.status, body.length == 0 ? -1 : body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    private Answer route(HttpExchange exchange) throws Exception {
        String method = exchange.getRequestMethod();
        String[] path = exchange.getRequestURI().getPath().substring("/api/".length()).split("/");
        Map<String, String> query = query(exchange.getRequestURI().getRawQuery());
        byte[] body = exchange.getRequestBody().readAllBytes();
        if (path[0].equals("security")) {
            return credentials(Nodes.JSON.readTree(body));
        }
        if (!path[0].equals("clients")) {
            throw new Bad(404, "no such address");
        }
        if (path.length == 1) {
            ArrayNode list = Nodes.JSON.createArrayNode();
            leshan.getRegistrationService().getAllRegistrations().forEachRemaining(r -> list.add(json(r)));
            return new Answer(200, list);
        }
        Registration registration = leshan.getRegistrationService().getByEndpoint(path[1]);
        if (registration == null) {
            throw new Bad(404, "no registered client with endpoint name " + path[1]);
        }
        if (path.length == 2) {
            return new Answer(200, json(registration));
        }
        boolean text = String.valueOf(exchange.getRequestHeaders().getFirst("Content-Type")).startsWith("text/plain");
        return operate(registration, method, Arrays.asList(path).subList(2, path.length), query, body, text);
    }

    private Answer credentials(JsonNode json) throws Exception {
        JsonNode details = json.path("tls").path("details");
        keys.add(SecurityInfo.newPreSharedKeyInfo(json.path("endpoint").asText(),
                details.path("identity").asText(), HexFormat.of().parseHex(details.path("key").asText())));
        return new Answer(200, "");
    }

    private Answer operate(Registration registration, String method, List<String> segments,
            Map<String, String> query, byte[] body, boolean text) throws Exception {
        LwM2mModel model = leshan.getModelProvider().getObjectModel(registration);
        String last = segments.get(segments.size() - 1);
        long timeout = (long) (1000 * Double.parseDouble(query.getOrDefault("timeout", "5")));
        if (segments.get(0).equals("composite")) {
            return composite(registration, method, last.equals("observe"), query, body, model, timeout);
        }
        boolean word = List.of("discover", "attributes", "observe").contains(last);
        List<String> ids = word ? segments.subList(0, segments.size() - 1) : segments;
        LwM2mPath path = new LwM2mPath("/" + String.join("/", ids));
        ContentFormat format = format(query.get("format"));
        switch (method + (word ? " " + last : "")) {
            case "GET":
                return send(registration, new ReadRequest(format, path.toString()), timeout);
            case "GET discover":
                return send(registration, new DiscoverRequest(path.toString()), timeout);
            case "PUT":
                LwM2mNode node = text ? plain(path, body, model)
                        : Nodes.fromJson(path, Nodes.JSON.readTree(body), model);
                var mode = query.getOrDefault("replace", "true").equals("false")
                        ? WriteRequest.Mode.UPDATE : WriteRequest.Mode.REPLACE;
                return send(registration, new WriteRequest(mode, format, path, node), timeout);
            case "PUT attributes":
                List<String> attributes = new ArrayList<>();
                query.forEach((k, v) -> {
                    if (!k.equals("timeout")) {
                        attributes.add(v.isEmpty() ? k : k + "=" + v);
                    }
                });
                var set = new LwM2mAttributeSet(new DefaultLwM2mAttributeParser().parseQueryParams(attributes));
                return send(registration, new WriteAttributesRequest(path.toString(), set), timeout);
            case "POST":
                if (path.isResource()) {
                    return send(registration, new ExecuteRequest(path.toString(), new String(body, StandardCharsets.UTF_8)), timeout);
                }
                return create(registration, path, format, Nodes.JSON.readTree(body), model, timeout);
            case "DELETE":
                return send(registration, new DeleteRequest(path.toString()), timeout);
            case "POST observe":
                return send(registration, new ObserveRequest(format, path.toString()), timeout);
            case "DELETE observe":
                return cancel(registration, List.of(path), query.containsKey("active"), timeout);
            default:
                throw new Bad(405, "no such operation");
        }
    }

    private static LwM2mNode plain(LwM2mPath path, byte[] body, LwM2mModel model) throws Exception {
        ObjectNode json = Nodes.JSON.createObjectNode();
        boolean instance = path.isResourceInstance();
        json.put("kind", instance ? "resourceInstance" : "singleResource");
        json.put("id", instance ? path.getResourceInstanceId() : path.getResourceId());
        json.put("value", new String(body, StandardCharsets.UTF_8));
        return Nodes.fromJson(path, json, model);
    }

    private Answer create(Registration registration, LwM2mPath path, ContentFormat format, JsonNode json,
            LwM2mModel model, long timeout) throws Exception {
        var instance = (LwM2mObjectInstance) Nodes.fromJson(path, json, model);
        int object = path.getObjectId();
        Integer id = path.isObjectInstance() ? path.getObjectInstanceId() : null;
        if (id == null && instance.getId() == LwM2mObjectInstance.UNDEFINED) {
            return send(registration, new CreateRequest(format, object, instance.getResources().values()), timeout);
        }
        var named = new LwM2mObjectInstance(id == null ? instance.getId() : id, instance.getResources().values());
        return send(registration, new CreateRequest(format, object, named), timeout);
    }

    private Answer composite(Registration registration, String method, boolean observe, Map<String, String> query,
            byte[] body, LwM2mModel model, long timeout) throws Exception {
        ContentFormat paths = format(query.getOrDefault("pathformat", "SENML_CBOR"));
        ContentFormat nodes = format(query.getOrDefault("nodeformat", "SENML_CBOR"));
        List<String> list = Arrays.asList(query.getOrDefault("paths", "").split(","));
        if (observe && method.equals("DELETE")) {
            return cancel(registration, LwM2mPath.getLwM2mPathList(list), query.containsKey("active"), timeout);
        }
        if (observe) {
            return send(registration, new ObserveCompositeRequest(paths, nodes, list.toArray(String[]::new)), timeout);
        }
        if (method.equals("GET")) {
            return send(registration, new ReadCompositeRequest(paths, nodes, list), timeout);
        }
        Map<LwM2mPath, LwM2mNode> values = new LinkedHashMap<>();
        for (var it = Nodes.JSON.readTree(body).fields(); it.hasNext();) {
            var entry = it.next();
            LwM2mPath path = new LwM2mPath(entry.getKey());
            values.put(path, Nodes.fromJson(path, entry.getValue(), model));
        }
        return send(registration, new WriteCompositeRequest(nodes, values, null), timeout);
    }

    private Answer cancel(Registration registration, List<LwM2mPath> paths, boolean active, long timeout)
            throws Exception {
        for (Observation observation : leshan.getObservationService().getObservations(registration)) {
            List<LwM2mPath> own = observation instanceof SingleObservation single ? List.of(single.getPath())
                    : ((CompositeObservation) observation).getPaths();
            if (!own.equals(paths)) {
                continue;
            }
            if (!active) {
                leshan.getObservationService().cancelObservation(observation);
                return new Answer(204, "");
            }
            return observation instanceof SingleObservation single
                    ? send(registration, new CancelObservationRequest(single), timeout)
                    : send(registration, new CancelCompositeObservationRequest((CompositeObservation) observation), timeout);
        }
        throw new Bad(404, "there is no such observation");
    }

    private <T extends LwM2mResponse> Answer send(Registration registration,
            DownlinkDeviceManagementRequest<T> request, long timeout) throws Exception {
        try {
            T response = leshan.send(registration, request, timeout);
            return response == null ? new Answer(504, "the device is silent") : new Answer(200, json(response));
        } catch (ClientSleepingException asleep) {
            long id = requests.incrementAndGet();
            String endpoint = registration.getEndpoint();
            delayed.computeIfAbsent(endpoint, e -> new ConcurrentLinkedQueue<>()).add(() -> later(endpoint, request, id));
            ObjectNode json = Nodes.JSON.createObjectNode().put("delayed", true).put("requestId", id);
            return new Answer(202, json);
        }
    }

    private <T extends LwM2mResponse> void later(String endpoint, DownlinkDeviceManagementRequest<T> request, long id) {
        Registration registration = leshan.getRegistrationService().getByEndpoint(endpoint);
        leshan.send(registration, request, 5000,
                response -> {
                    ObjectNode json = Nodes.JSON.createObjectNode().put("ep", endpoint).put("delayed", true);
                    json.put("requestId", id).set("response", json(response));
                    tell("REQUEST_RESPONSE", endpoint, json);
                },
                error -> tell("REQUEST_RESPONSE", endpoint, Nodes.JSON.createObjectNode().put("ep", endpoint)
                        .put("requestId", id).put("errormessage", error.toString())));
    }

    private static ContentFormat format(String name) throws Bad {
        if (name == null) {
            return null;
        }
        ContentFormat format = ContentFormat.fromName(name);
        if (format == null) {
            throw new Bad(400, "format " + name + " is not known");
        }
        return format;
    }

    private static Map<String, String> query(String text) {
        Map<String, String> query = new LinkedHashMap<>();
        for (String part : text == null ? new String[0] : text.split("&")) {
            String[] pair = part.split("=", 2);
            query.put(pair[0], pair.length == 2 ? URLDecoder.decode(pair[1], StandardCharsets.UTF_8) : "");
        }
        return query;
    }

    private static JsonNode json(LwM2mResponse response) {
        ObjectNode json = Nodes.JSON.createObjectNode();
        json.put("status", response.getCode().toString()).put("valid", response.isValid());
        json.put("success", response.isSuccess()).put("failure", response.isFailure());
        if (response.getErrorMessage() != null) {
            json.put("errormessage", response.getErrorMessage());
        }
        if (response instanceof ReadCompositeResponse read && read.getContent() != null) {
            json.set("content", Nodes.toJson(read.getContent()));
        } else if (response instanceof ReadResponse read && read.getContent() != null) {
            json.set("content", Nodes.toJson(read.getContent()));
        } else if (response instanceof DiscoverResponse found && found.getObjectLinks() != null) {
            json.set("objectLinks", json(found.getObjectLinks()));
        } else if (response instanceof CreateResponse created && created.getLocation() != null) {
            json.put("location", created.getLocation());
        }
        return json;
    }

    private static JsonNode json(Link[] links) {
        ArrayNode list = Nodes.JSON.createArrayNode();
        for (Link link : links) {
            ObjectNode attributes = Nodes.JSON.createObjectNode();
            for (Attribute attribute : link.getAttributes()) {
                attributes.put(attribute.getName(), attribute.hasValue() ? String.valueOf(attribute.getValue()) : null);
            }
            list.add(Nodes.JSON.createObjectNode().put("url", link.getUriReference()).set("attributes", attributes));
        }
        return list;
    }

    private JsonNode json(Registration r) {
        ObjectNode json = Nodes.JSON.createObjectNode();
        json.put("endpoint", r.getEndpoint()).put("registrationId", r.getId());
        json.put("address", r.getAddress().getHostAddress() + ":" + r.getPort());
        json.put("lwM2mVersion", r.getLwM2mVersion().toString()).put("lifetime", r.getLifeTimeInSec());
        json.put("bindingMode", BindingMode.toString(r.getBindingMode())).put("rootPath", r.getRootPath());
        json.put("secure", r.getEndpointUri().getScheme().equals("coaps")).put("queuemode", r.usesQueueMode());
        json.set("objectLinks", json(r.getSortedObjectLinks()));
        if (r.usesQueueMode()) {
            json.put("sleeping", !leshan.getPresenceService().isClientAwake(r));
        }
        return json;
    }

    private void events(HttpExchange exchange) throws IOException {
        exchange.getResponseHeaders().add("Content-Type", "text/event-stream");
        exchange.sendResponseHeaders(200, 0);
        OutputStream out = exchange.getResponseBody();
        out.write(": listening\n\n".getBytes(StandardCharsets.UTF_8));
        out.flush();
        listeners.add(new Listener(out, query(exchange.getRequestURI().getRawQuery()).get("ep")));
    }

    private void tell(String name, String endpoint, JsonNode data) {
        byte[] event = ("event: " + name + "\ndata: " + data + "\n\n").getBytes(StandardCharsets.UTF_8);
        for (Listener listener : listeners) {
            if (listener.endpoint != null && !listener.endpoint.equals(endpoint)) {
                continue;
            }
            try {
                synchronized (listener) {
                    listener.out.write(event);
                    listener.out.flush();
                }
            } catch (IOException gone) {
                listeners.remove(listener);
            }
        }
    }

    private void listen() {
        leshan.getRegistrationService().addListener(new RegistrationListener() {
            @Override
            public void registered(Registration r, Registration previous, Collection<Observation> observations) {
                tell("REGISTRATION", r.getEndpoint(), json(r));
            }

            @Override
            public void updated(RegistrationUpdate update, Registration r, Registration previous) {
                ObjectNode json = Nodes.JSON.createObjectNode();
                json.set("registration", json(r));
                ObjectNode changed = json.putObject("update").put("lifetime", update.getLifeTimeInSec());
                if (update.getObjectLinks() != null) {
                    changed.set("objectLinks", json(update.getObjectLinks()));
                }
                tell("UPDATED", r.getEndpoint(), json);
            }

            @Override
            public void unregistered(Registration r, Collection<Observation> observations, boolean expired, Registration next) {
                tell("DEREGISTRATION", r.getEndpoint(), json(r));
            }
        });
        leshan.getPresenceService().addListener(new PresenceListener() {
            @Override
            public void onAwake(Registration r) {
                tell("AWAKE", r.getEndpoint(), Nodes.JSON.createObjectNode().put("ep", r.getEndpoint()));
                var waiting = delayed.remove(r.getEndpoint());
                if (waiting != null) {
                    waiting.forEach(Runnable::run);
                }
            }

            @Override
            public void onSleeping(Registration r) {
                tell("SLEEPING", r.getEndpoint(), Nodes.JSON.createObjectNode().put("ep", r.getEndpoint()));
            }
        });
        leshan.getSendService().addListener(new SendListener() {
            @Override
            public void dataReceived(Registration r, TimestampedLwM2mNodes data, SendRequest request) {
                ObjectNode json = Nodes.JSON.createObjectNode().put("ep", r.getEndpoint());
                json.set("val", Nodes.toJson(data.getMostRecentNodes()));
                ArrayNode times = json.putArray("times");
                data.getTimestamps().forEach(t -> times.add(t == null ? null : t.toString()));
                tell("SEND", r.getEndpoint(), json);
            }

            @Override
            public void onError(Registration r, String reason, Exception error) {
                System.out.println("ERROR send of " + r.getEndpoint() + ": " + reason + ": " + error);
            }
        });
        leshan.getObservationService().addListener(new ObservationListener() {
            @Override
            public void newObservation(Observation observation, Registration r) {}

            @Override
            public void cancelled(Observation observation) {}

            @Override
            public void onResponse(SingleObservation observation, Registration r, ObserveResponse response) {
                ObjectNode json = Nodes.JSON.createObjectNode().put("ep", r.getEndpoint()).put("kind", "single");
                json.put("res", observation.getPath().toString()).set("val", Nodes.toJson(response.getContent()));
                tell("NOTIFICATION", r.getEndpoint(), json);
            }

            @Override
            public void onResponse(CompositeObservation observation, Registration r, ObserveCompositeResponse response) {
                ObjectNode json = Nodes.JSON.createObjectNode().put("ep", r.getEndpoint()).put("kind", "composite");
                json.set("val", Nodes.toJson(response.getContent()));
                tell("NOTIFICATION", r.getEndpoint(), json);
            }

            @Override
            public void onError(Observation observation, Registration r, Exception error) {
                System.out.println("ERROR notification of " + r.getEndpoint() + ": " + error);
            }
        });
    }
}
