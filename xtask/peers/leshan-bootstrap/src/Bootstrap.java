import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.eclipse.leshan.core.Link;
import org.eclipse.leshan.core.SecurityMode;
import org.eclipse.leshan.core.node.LwM2mObject;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.request.BindingMode;
import org.eclipse.leshan.core.request.BootstrapDeleteRequest;
import org.eclipse.leshan.core.request.BootstrapDiscoverRequest;
import org.eclipse.leshan.core.request.BootstrapDownlinkRequest;
import org.eclipse.leshan.core.request.BootstrapReadRequest;
import org.eclipse.leshan.core.request.BootstrapRequest;
import org.eclipse.leshan.core.request.BootstrapWriteRequest;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.Identity;
import org.eclipse.leshan.core.response.BootstrapDiscoverResponse;
import org.eclipse.leshan.core.response.BootstrapReadResponse;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.server.bootstrap.BootstrapConfig;
import org.eclipse.leshan.server.bootstrap.BootstrapConfigStoreTaskProvider;
import org.eclipse.leshan.server.bootstrap.BootstrapFailureCause;
import org.eclipse.leshan.server.bootstrap.BootstrapSession;
import org.eclipse.leshan.server.bootstrap.BootstrapSessionAdapter;
import org.eclipse.leshan.server.bootstrap.BootstrapTaskProvider;
import org.eclipse.leshan.server.bootstrap.BootstrapUtil;
import org.eclipse.leshan.server.bootstrap.DefaultBootstrapSessionManager;
import org.eclipse.leshan.server.californium.bootstrap.LeshanBootstrapServer;
import org.eclipse.leshan.server.californium.bootstrap.LeshanBootstrapServerBuilder;
import org.eclipse.leshan.server.model.StandardBootstrapModelProvider;
import org.eclipse.leshan.server.security.BootstrapSecurityStore;
import org.eclipse.leshan.server.security.SecurityChecker;
import org.eclipse.leshan.server.security.SecurityInfo;

/**
 * Leshan's bootstrap server, driven by lines on standard input; the arguments are the ports of CoAP
 * and CoAPS, and the class path of the newer Leshan. Each line is answered by {@code DONE NAME COMMAND} or {@code FAILED NAME COMMAND
 * REASON}; the steps of a session are told as {@code EVENT NAME STEP}.
 *
 * <pre>
 * full NAME URI LIFETIME [KEY]         Discover, Delete /0 and /1, Write the account
 * incremental NAME URI LIFETIME [KEY]  Discover, Read /1, and Delete and Write only what differs
 * </pre>
 *
 * With a key the account and the bootstrap itself take PSK; the identity is the name.
 */
public final class Bootstrap implements BootstrapTaskProvider, BootstrapSecurityStore {
    private static final int SSID = 1;

    private record Account(String name, String uri, long lifetime, byte[] key, boolean incremental) {}

    private final Map<String, Account> accounts = new ConcurrentHashMap<>();
    private final BootstrapTaskProvider whole = new BootstrapConfigStoreTaskProvider(
            (endpoint, identity, session) -> accounts.containsKey(endpoint) ? config(accounts.get(endpoint)) : null);

    public static void main(String[] args) throws Exception {
        Bootstrap own = new Bootstrap();
        LeshanBootstrapServerBuilder builder = new LeshanBootstrapServerBuilder();
        builder.setLocalAddress("127.0.0.1", Integer.parseInt(args[0]));
        builder.setLocalSecureAddress("127.0.0.1", Integer.parseInt(args[1]));
        builder.setSecurityStore(own);
        NewerDtls dtls = new NewerDtls(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[1])), args[2]);
        builder.setEndpointFactory(dtls);
        builder.setSessionManager(new DefaultBootstrapSessionManager(own, new SecurityChecker(), own,
                new StandardBootstrapModelProvider()));
        LeshanBootstrapServer server = builder.build();
        server.addListener(new Teller());
        server.start();
        System.out.println("LISTENING lines 0");
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] w = line.split(" ");
            try {
                byte[] key = w.length > 4 ? HexFormat.of().parseHex(w[4]) : null;
                boolean incremental = switch (w[0]) {
                    case "full" -> false;
                    case "incremental" -> true;
                    default -> throw new IllegalArgumentException("no such command");
                };
                own.accounts.put(w[1], new Account(w[1], w[2], Long.parseLong(w[3]), key, incremental));
                if (key != null) {
                    dtls.key(w[1], key);
                }
                System.out.println("DONE " + w[1] + " " + w[0]);
            } catch (RuntimeException error) {
                System.out.println("FAILED " + w[1] + " " + w[0] + " " + error);
            }
        }
        System.exit(0);
    }

    private static BootstrapConfig config(Account account) {
        BootstrapConfig config = new BootstrapConfig();
        config.toDelete = List.of("/0", "/1");
        config.autoIdForSecurityObject = true;
        config.security.put(1, security(account));
        config.servers.put(0, server(account));
        return config;
    }

    private static BootstrapConfig.ServerSecurity security(Account account) {
        BootstrapConfig.ServerSecurity security = new BootstrapConfig.ServerSecurity();
        security.uri = account.uri;
        security.serverId = SSID;
        security.securityMode = account.key == null ? SecurityMode.NO_SEC : SecurityMode.PSK;
        if (account.key != null) {
            security.publicKeyOrId = account.name.getBytes(StandardCharsets.UTF_8);
            security.secretKey = account.key;
        }
        return security;
    }

    private static BootstrapConfig.ServerConfig server(Account account) {
        BootstrapConfig.ServerConfig server = new BootstrapConfig.ServerConfig();
        server.shortId = SSID;
        server.lifetime = (int) account.lifetime;
        server.binding = EnumSet.of(BindingMode.U);
        return server;
    }

    @Override
    public Tasks getTasks(BootstrapSession session, List<LwM2mResponse> previous) {
        Account account = accounts.get(session.getEndpoint());
        if (account == null || !account.incremental) {
            return whole.getTasks(session, previous);
        }
        Tasks tasks = new Tasks();
        tasks.requestsToSend = new ArrayList<>();
        tasks.supportedObjects = Map.of(0, "1.1", 1, "1.1", 2, "1.0");
        if (previous == null) {
            tasks.requestsToSend.add(new BootstrapDiscoverRequest());
            tasks.requestsToSend.add(new BootstrapReadRequest(ContentFormat.TLV, 1));
            tasks.last = false;
            return tasks;
        }
        Link[] links = ((BootstrapDiscoverResponse) previous.get(0)).getObjectLinks();
        LwM2mObject servers = (LwM2mObject) ((BootstrapReadResponse) previous.get(1)).getContent();
        tasks.requestsToSend.addAll(differences(account, links, servers, session.getContentFormat()));
        tasks.last = true;
        return tasks;
    }

    /** What has to be deleted and written on a device that has these security and server instances. */
    private static List<BootstrapDownlinkRequest<? extends LwM2mResponse>> differences(Account account, Link[] links,
            LwM2mObject servers, ContentFormat format) {
        List<BootstrapDownlinkRequest<? extends LwM2mResponse>> requests = new ArrayList<>();
        int free = 0;
        boolean secured = false;
        for (Link link : links) {
            LwM2mPath path = link.getUrl().startsWith("/0/") ? new LwM2mPath(link.getUrl()) : LwM2mPath.ROOTPATH;
            if (!path.isObjectInstance()) {
                continue;
            }
            free = Math.max(free, path.getObjectInstanceId() + 1);
            String ssid = link.getAttributes().get("ssid");
            if (String.valueOf(SSID).equals(ssid)) {
                secured = true;
            } else if (ssid != null) {
                requests.add(new BootstrapDeleteRequest(link.getUrl()));
            }
        }
        if (!secured) {
            requests.add(BootstrapUtil.toWriteRequest(free, security(account), format));
        }
        boolean known = false;
        for (LwM2mObjectInstance instance : servers.getInstances().values()) {
            LwM2mPath path = new LwM2mPath(1, instance.getId());
            if (!Long.valueOf(SSID).equals(instance.getResource(0).getValue())) {
                requests.add(new BootstrapDeleteRequest(path.toString()));
                continue;
            }
            known = true;
            if (!Long.valueOf(account.lifetime).equals(instance.getResource(1).getValue())) {
                requests.add(new BootstrapWriteRequest(path.append(1),
                        LwM2mSingleResource.newIntegerResource(1, account.lifetime), format));
            }
        }
        if (!known) {
            int id = servers.getInstances().keySet().stream().mapToInt(i -> i + 1).max().orElse(0);
            requests.add(BootstrapUtil.toWriteRequest(id, server(account), format));
        }
        return requests;
    }

    @Override
    public Iterator<SecurityInfo> getAllByEndpoint(String endpoint) {
        SecurityInfo info = getByIdentity(endpoint);
        return info == null ? null : List.of(info).iterator();
    }

    @Override
    public SecurityInfo getByIdentity(String identity) {
        Account account = accounts.get(identity);
        return account == null || account.key == null ? null
                : SecurityInfo.newPreSharedKeyInfo(identity, identity, account.key);
    }

    private static final class Teller extends BootstrapSessionAdapter {
        private static void tell(String name, String what) {
            System.out.println("EVENT " + name + " " + what.replace('\n', ' '));
        }

        /** A request by its operation and path; its values are secrets. */
        private static String words(BootstrapDownlinkRequest<? extends LwM2mResponse> request) {
            String name = request.getClass().getSimpleName();
            return name.replace("Bootstrap", "").replace("Request", "").toLowerCase() + " " + request.getPath();
        }

        @Override
        public void sessionInitiated(BootstrapRequest request, Identity identity) {
            tell(request.getEndpointName(), "request " + identity);
        }

        @Override
        public void unAuthorized(BootstrapRequest request, Identity identity) {
            tell(request.getEndpointName(), "unauthorized " + identity);
        }

        @Override
        public void noConfig(BootstrapSession session) {
            tell(session.getEndpoint(), "no config");
        }

        @Override
        public void onResponseSuccess(BootstrapSession session,
                BootstrapDownlinkRequest<? extends LwM2mResponse> request, LwM2mResponse response) {
            tell(session.getEndpoint(), "step " + words(request) + " " + response.getCode());
        }

        @Override
        public void onResponseError(BootstrapSession session,
                BootstrapDownlinkRequest<? extends LwM2mResponse> request, LwM2mResponse response) {
            tell(session.getEndpoint(), "refused " + words(request) + " " + response);
        }

        @Override
        public void onRequestFailure(BootstrapSession session,
                BootstrapDownlinkRequest<? extends LwM2mResponse> request, Throwable cause) {
            tell(session.getEndpoint(), "lost " + words(request) + " " + cause);
        }

        @Override
        public void end(BootstrapSession session) {
            tell(session.getEndpoint(), "finished");
        }

        @Override
        public void failed(BootstrapSession session, BootstrapFailureCause cause) {
            tell(session.getEndpoint(), "failed " + cause);
        }
    }
}
