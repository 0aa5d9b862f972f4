import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** Creates a task and polls it, with the client of the JDK as it is: it offers h2c with every request. */
class Client {
    public static void main(String[] arguments) throws Exception {
        String create = arguments[0] + "/kling/v1/images/generations";
        HttpClient client = HttpClient.newHttpClient();
        String picture = "{\"subject_image\": \"https://example.com/a.png\"}";
        String body = "{\"subject_image_list\": [" + picture + ", " + picture + "]}";
        HttpResponse<String> created = send(client, request(create)
            .POST(HttpRequest.BodyPublishers.ofString(body)).build());
        String id = created.body().replaceAll("(?s).*\"task_id\":\"(\\d+)\".*", "$1");
        HttpResponse<String> polled = send(client, request(create + "/" + id).build());
        System.out.println(created.statusCode() + " " + polled.statusCode() + " "
            + polled.body().contains("\"task_status\":\"succeed\"") + " " + polled.version());
    }

    static HttpRequest.Builder request(String url) {
        return HttpRequest.newBuilder(URI.create(url))
            .header("Authorization", "Bearer sk-raw").header("Content-Type", "application/json");
    }

    static HttpResponse<String> send(HttpClient client, HttpRequest request) throws Exception {
        return client.send(request, HttpResponse.BodyHandlers.ofString());
    }
}
