// Renders mapping templates as API Gateway does: Apache Velocity, $input by Jayway's JsonPath, $util by commons-lang.
// Each line of standard input is a case {"template", "body", "header", "querystring", "context"}; each line of output its
// result.
import com.jayway.jsonpath.Configuration;
import com.jayway.jsonpath.JsonPath;
import com.jayway.jsonpath.Option;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import net.minidev.json.JSONObject;
import net.minidev.json.JSONValue;
import org.apache.commons.lang.StringEscapeUtils;
import org.apache.velocity.VelocityContext;
import org.apache.velocity.app.VelocityEngine;

public final class Render {
    private static final Configuration MISSING_IS_NULL =
            Configuration.defaultConfiguration().addOptions(Option.DEFAULT_PATH_LEAF_TO_NULL, Option.SUPPRESS_EXCEPTIONS);

    /** `$util`. */
    public static final class Util {
        public String escapeJavaScript(String text) {
            return StringEscapeUtils.escapeJavaScript(text);
        }
    }

    /** `$input`. */
    public static final class Input {
        private final String body;
        private final Map<String, Object> params;

        Input(String body, Map<String, Object> params) {
            this.body = body;
            this.params = params;
        }

        public String getBody() {
            return body.isEmpty() ? "{}" : body;
        }

        public Object path(String path) {
            return JsonPath.using(MISSING_IS_NULL).parse(getBody()).read(path);
        }

        public String json(String path) {
            return JSONValue.toJSONString(path(path));
        }

        public Map<String, Object> params() {
            return params;
        }
    }

    /** `$context.responseOverride`: overriding twice is a 5xx of API Gateway's. */
    public static final class Override {
        private Object status;

        public void setStatus(Object status) {
            if (this.status != null) throw new IllegalStateException("the status is overridden twice");
            this.status = status;
        }
    }

    private static String text(Map<?, ?> given, String key) {
        Object value = given.get(key);
        return value == null ? "" : value.toString();
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> map(Map<?, ?> given, String key) {
        Object value = given.get(key);
        return value == null ? new LinkedHashMap<>() : (Map<String, Object>) value;
    }

    private static String render(VelocityEngine engine, Map<?, ?> given) {
        Map<String, Object> params = new LinkedHashMap<>();
        for (String place : List.of("path", "querystring", "header")) params.put(place, map(given, place));
        Override override = new Override();
        Map<String, Object> about = map(given, "context");
        about.put("extendedRequestId", "the-request=");
        about.put("responseOverride", override);
        VelocityContext context = new VelocityContext();
        context.put("input", new Input(text(given, "body"), params));
        context.put("util", new Util());
        context.put("context", about);
        StringWriter output = new StringWriter();
        engine.evaluate(context, output, "template", text(given, "template"));
        JSONObject result = new JSONObject();
        result.put("text", output.toString());
        result.put("status", override.status);
        return result.toJSONString();
    }

    public static void main(String[] arguments) throws Exception {
        VelocityEngine engine = new VelocityEngine();
        engine.setProperty("runtime.log.logsystem.class", "org.apache.velocity.runtime.log.NullLogChute");
        engine.init();
        PrintStream output = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            output.println(render(engine, (Map<?, ?>) JSONValue.parse(line)));
        }
    }
}
