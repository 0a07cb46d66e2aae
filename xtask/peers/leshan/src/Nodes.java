import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.eclipse.californium.core.coap.EmptyMessage;
import org.eclipse.californium.core.coap.Message;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.network.interceptors.MessageInterceptor;
import org.eclipse.leshan.core.link.DefaultLinkParser;
import org.eclipse.leshan.core.link.DefaultLinkSerializer;
import org.eclipse.leshan.core.link.Link;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.model.ObjectLoader;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.model.ResourceModel;
import org.eclipse.leshan.core.model.ResourceModel.Operations;
import org.eclipse.leshan.core.model.ResourceModel.Type;
import org.eclipse.leshan.core.node.LwM2mMultipleResource;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObject;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mResourceInstance;
import org.eclipse.leshan.core.node.LwM2mRoot;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.node.ObjectLink;
import org.eclipse.leshan.core.util.datatype.ULong;

/** What both peers need: object definitions, nodes as JSON, and messages in words. */
final class Nodes {
    static final ObjectMapper JSON = new ObjectMapper();

    private Nodes() {}

    /**
     * Leshan's own definitions, in all versions or those of its default version of LwM2M, and those
     * of a file: lines {@code object ID VERSION MULTIPLE
     * MANDATORY NAME}, each followed by its {@code resource ID OPERATIONS MULTIPLE MANDATORY TYPE
     * NAME}, with tabs between. A definition that Leshan has stays.
     */
    static List<ObjectModel> models(String file, boolean all) throws IOException {
        List<ObjectModel> models = new ArrayList<>(all ? ObjectLoader.loadAllDefault() : ObjectLoader.loadDefault());
        String[] head = null;
        List<ResourceModel> resources = new ArrayList<>();
        List<String> lines = new ArrayList<>(Files.readAllLines(Path.of(file)));
        lines.add("object");
        for (String line : lines) {
            String[] f = line.split("\t");
            if (f[0].equals("resource")) {
                resources.add(new ResourceModel(Integer.valueOf(f[1]), f[6], Operations.valueOf(f[2]),
                        Boolean.valueOf(f[3]), Boolean.valueOf(f[4]), Type.valueOf(f[5]), "", "", ""));
                continue;
            }
            if (head != null) {
                int id = Integer.parseInt(head[1]);
                if (models.stream().noneMatch(known -> known.id == id)) {
                    models.add(new ObjectModel(id, head[5], "", head[2], Boolean.valueOf(head[3]),
                            Boolean.valueOf(head[4]), resources));
                }
            }
            head = f;
            resources = new ArrayList<>();
        }
        return models;
    }

    static JsonNode toJson(LwM2mNode node) {
        ObjectNode json = JSON.createObjectNode();
        if (node instanceof LwM2mRoot root) {
            json.put("kind", "root");
            root.getObjects().values().forEach(o -> json.withArray("objects").add(toJson(o)));
        } else if (node instanceof LwM2mObject object) {
            json.put("id", object.getId()).put("kind", "obj");
            ArrayNode instances = json.putArray("instances");
            object.getInstances().values().forEach(i -> instances.add(toJson(i)));
        } else if (node instanceof LwM2mObjectInstance instance) {
            json.put("id", instance.getId()).put("kind", "instance");
            ArrayNode resources = json.putArray("resources");
            instance.getResources().values().forEach(r -> resources.add(toJson(r)));
        } else if (node instanceof LwM2mResource resource) {
            json.put("id", resource.getId());
            json.put("kind", resource.isMultiInstances() ? "multiResource" : "singleResource");
            json.put("type", resource.getType().name().toLowerCase(Locale.ROOT));
            if (resource.isMultiInstances()) {
                ObjectNode values = json.putObject("values");
                resource.getInstances().forEach(
                        (id, i) -> values.set(id.toString(), value(i.getType(), i.getValue())));
            } else {
                json.set("value", value(resource.getType(), resource.getValue()));
            }
        } else if (node instanceof LwM2mResourceInstance instance) {
            json.put("id", instance.getId()).put("kind", "resourceInstance");
            json.put("type", instance.getType().name().toLowerCase(Locale.ROOT));
            json.set("value", value(instance.getType(), instance.getValue()));
        }
        return json;
    }

    static JsonNode toJson(Map<LwM2mPath, LwM2mNode> nodes) {
        ObjectNode json = JSON.createObjectNode();
        nodes.forEach((path, node) -> json.set(path.toString(), node == null ? null : toJson(node)));
        return json;
    }

    private static JsonNode value(Type type, Object value) {
        switch (type) {
            case BOOLEAN:
                return JSON.getNodeFactory().booleanNode((Boolean) value);
            case OPAQUE:
                return JSON.getNodeFactory().textNode(HexFormat.of().formatHex((byte[]) value));
            case TIME:
                return JSON.getNodeFactory().textNode(((Date) value).toInstant().toString());
            case OBJLNK:
                ObjectLink link = (ObjectLink) value;
                return JSON.createObjectNode().put("objectId", link.getObjectId())
                        .put("objectInstanceId", link.getObjectInstanceId());
            case CORELINK:
                String links = new DefaultLinkSerializer().serializeCoreLinkFormat((Link[]) value);
                return JSON.getNodeFactory().textNode(links);
            default:
                return JSON.getNodeFactory().textNode(String.valueOf(value));
        }
    }

    static LwM2mNode fromJson(LwM2mPath path, JsonNode json, LwM2mModel model) throws Exception {
        String kind = json.path("kind").asText();
        int id = json.path("id").asInt(-1);
        switch (kind) {
            case "obj":
                List<LwM2mObjectInstance> instances = new ArrayList<>();
                for (JsonNode child : json.path("instances")) {
                    instances.add((LwM2mObjectInstance) fromJson(path, child, model));
                }
                return new LwM2mObject(path.getObjectId(), instances);
            case "instance":
                List<LwM2mResource> resources = new ArrayList<>();
                for (JsonNode child : json.path("resources")) {
                    LwM2mPath at = new LwM2mPath(path.getObjectId(), 0, child.path("id").asInt());
                    resources.add((LwM2mResource) fromJson(at, child, model));
                }
                return id < 0 ? new LwM2mObjectInstance(resources) : new LwM2mObjectInstance(id, resources);
            case "multiResource":
                Map<Integer, Object> values = new HashMap<>();
                Type type = type(path, json, model);
                for (Iterator<Map.Entry<String, JsonNode>> it = json.path("values").fields(); it.hasNext();) {
                    Map.Entry<String, JsonNode> entry = it.next();
                    values.put(Integer.valueOf(entry.getKey()), parse(type, entry.getValue()));
                }
                return LwM2mMultipleResource.newResource(id, values, type);
            case "resourceInstance":
                Type of = type(path, json, model);
                return LwM2mResourceInstance.newInstance(id, parse(of, json.path("value")), of);
            default:
                Type single = type(path, json, model);
                return LwM2mSingleResource.newResource(id, parse(single, json.path("value")), single);
        }
    }

    /** The type that the definition says, or the node where there is no definition. */
    private static Type type(LwM2mPath path, JsonNode json, LwM2mModel model) {
        boolean known = model.getResourceModel(path.getObjectId(), path.getResourceId()) != null;
        return known || !json.has("type") ? type(path, model)
                : Type.valueOf(json.path("type").asText().toUpperCase(Locale.ROOT));
    }

    static Type type(LwM2mPath path, LwM2mModel model) {
        ResourceModel resource = model.getResourceModel(path.getObjectId(), path.getResourceId());
        if (resource == null) {
            throw new IllegalArgumentException("no definition of " + path);
        }
        return resource.type;
    }

    static Object parse(Type type, JsonNode json) throws Exception {
        String text = json.asText();
        switch (type) {
            case INTEGER:
                return Long.valueOf(text);
            case UNSIGNED_INTEGER:
                return ULong.valueOf(new BigInteger(text));
            case FLOAT:
                return Double.valueOf(text);
            case BOOLEAN:
                return json.isTextual() ? text.equals("true") || text.equals("1") : json.asBoolean();
            case OPAQUE:
                return HexFormat.of().parseHex(text);
            case TIME:
                return Date.from(Instant.parse(text));
            case OBJLNK:
                return json.isTextual() ? ObjectLink.decodeFromString(text)
                        : new ObjectLink(json.path("objectId").asInt(), json.path("objectInstanceId").asInt());
            case CORELINK:
                return new DefaultLinkParser().parseCoreLinkFormat(text.getBytes());
            default:
                return text;
        }
    }

    /**
     * Writes each message to standard output: {@code TRACE WHO sent|got MESSAGE}. WHO is a name, or
     * the port of the other side.
     */
    static final class Tracer implements MessageInterceptor {
        private final String name;

        Tracer(String name) {
            this.name = name;
        }

        @Override
        public void sendRequest(Request request) {
            trace("sent", request);
        }

        @Override
        public void sendResponse(Response response) {
            trace("sent", response);
        }

        @Override
        public void sendEmptyMessage(EmptyMessage message) {
            trace("sent", message);
        }

        @Override
        public void receiveRequest(Request request) {
            trace("got", request);
        }

        @Override
        public void receiveResponse(Response response) {
            trace("got", response);
        }

        @Override
        public void receiveEmptyMessage(EmptyMessage message) {
            trace("got", message);
        }

        private void trace(String way, Message message) {
            var context = way.equals("sent") ? message.getDestinationContext() : message.getSourceContext();
            String port = context == null ? "?" : String.valueOf(context.getPeerAddress().getPort());
            System.out.println("TRACE " + (name == null ? port : name) + " " + way + " " + message.toString().replace('\n', ' '));
        }
    }
}
