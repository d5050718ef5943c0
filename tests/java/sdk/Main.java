import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.openai.client.OpenAIClient;
import com.openai.client.OpenAIClientAsync;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.core.MultipartField;
import com.openai.core.ObjectMappers;
import com.openai.core.http.HttpResponse;
import com.openai.core.http.StreamResponse;
import com.openai.errors.OpenAIServiceException;
import com.openai.errors.UnauthorizedException;
import com.openai.helpers.ChatCompletionAccumulator;
import com.openai.models.FunctionDefinition;
import com.openai.models.FunctionParameters;
import com.openai.models.audio.speech.SpeechCreateParams;
import com.openai.models.audio.transcriptions.TranscriptionCreateParams;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionFunctionTool;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import com.openai.models.embeddings.EmbeddingCreateParams;
import com.openai.models.files.FileCreateParams;
import com.openai.models.files.FileObject;
import com.openai.models.files.FilePurpose;
import com.openai.models.responses.ResponseCreateParams;
import com.openai.models.responses.ResponseStreamEvent;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * Talks to the OpenAI API with openai-java as programs do; prints what came of each step, a line of JSON each.
 *
 * <p>{@code java Main [STEP...]}: every step, or those that are named. Where it connects comes from the
 * environment alone: OPENAI_BASE_URL, OPENAI_API_KEY, and JAVA_TOOL_OPTIONS, which any JVM reads. Two runs
 * print the same if they were answered the same.
 */
public final class Main {
    private static final String MODEL = "gpt-4o-mini";
    private static final JsonMapper JSON = ObjectMappers.jsonMapper();

    private interface Step {
        Object run() throws Exception;
    }

    public static void main(String[] names) throws Exception {
        OpenAIClient client = OpenAIOkHttpClient.fromEnv();
        Map<String, Step> steps = steps(client, client.async());
        for (String name : names.length > 0 ? List.of(names) : steps.keySet()) {
            ObjectNode line = JSON.createObjectNode().put("name", name);
            try {
                line.set("value", JSON.valueToTree(steps.get(name).run()));
            } catch (OpenAIServiceException error) {
                describe(line, error);
            } catch (CompletionException error) {
                if (!(error.getCause() instanceof OpenAIServiceException cause)) throw error;
                describe(line, cause);
            }
            System.out.writeBytes(JSON.writeValueAsBytes(line));
            System.out.println();
        }
        client.close();
    }

    private static void describe(ObjectNode line, OpenAIServiceException error) {
        line.put("error", error.getClass().getSimpleName()).put("message", error.getMessage());
        line.put("status", error.statusCode()).put("code", error.code().orElse(null));
    }

    private static Map<String, Step> steps(OpenAIClient client, OpenAIClientAsync async) {
        Map<String, Step> steps = new LinkedHashMap<>();
        steps.put("chat", () -> client.chat().completions().create(chat("hello from Java").build()));
        steps.put("shared", () -> client.chat().completions().create(chat("hello from anywhere").build()));
        steps.put("chat_streamed", () -> chatStreamed(client));
        steps.put("tool", () -> client.chat().completions().create(
                chat("use the tool for 2 and 3").addTool(add()).build()));
        steps.put("response", () -> client.responses().create(response("respond to Java")));
        steps.put("response_streamed", () -> responseStreamed(client));
        steps.put("embeddings", () -> client.embeddings().create(EmbeddingCreateParams.builder()
                .model("text-embedding-3-small").inputOfArrayOfStrings(List.of("one", "two")).build()));
        steps.put("models", () -> client.models().list().data());
        steps.put("model_missing", () -> client.models().retrieve("no-such-model"));
        steps.put("refused_key", () -> refusedKey(client));
        steps.put("rate_limited", () -> client.chat().completions().create(rateLimited("java")));
        steps.put("speech", () -> digest(client.audio().speech().create(SpeechCreateParams.builder()
                .model("tts-1").voice("alloy").input("say this").build())));
        steps.put("transcription", () -> client.audio().transcriptions().create(TranscriptionCreateParams.builder()
                .model("whisper-1").file(named("a.wav", "RIFF\0\u00ff\u00fe")).build()));
        steps.put("file", () -> file(client));
        steps.put("async_chat", () -> async.chat().completions().create(chat("hello, later").build()).join());
        steps.put("async_chat_streamed", () -> {
            List<ChatCompletionChunk> chunks = new ArrayList<>();
            async.chat().completions().createStreaming(chat("stream, later").build())
                    .subscribe(chunks::add).onCompleteFuture().join();
            return chunks;
        });
        steps.put("async_at_once", () -> {
            List<CompletableFuture<?>> asked = new ArrayList<>();
            for (int number = 0; number < 4; number++) {
                asked.add(async.chat().completions().create(chat("question " + number).build()));
            }
            return asked.stream().map(CompletableFuture::join).toList();
        });
        steps.put("async_model_missing", () -> async.models().retrieve("no-such-model").join());
        steps.put("async_rate_limited", () -> async.chat().completions().create(rateLimited("java-async")).join());
        return steps;
    }

    private static ChatCompletionCreateParams.Builder chat(String text) {
        return ChatCompletionCreateParams.builder().model(MODEL).addUserMessage(text);
    }

    private static ResponseCreateParams response(String text) {
        return ResponseCreateParams.builder().model(MODEL).input(text).build();
    }

    private static ChatCompletionFunctionTool add() {
        Map<String, Object> number = Map.of("type", "integer");
        return ChatCompletionFunctionTool.builder().function(FunctionDefinition.builder().name("add")
                .parameters(FunctionParameters.builder()
                        .putAdditionalProperty("type", JsonValue.from("object"))
                        .putAdditionalProperty("properties", JsonValue.from(Map.of("a", number, "b", number)))
                        .build())
                .build()).build();
    }

    private static Object chatStreamed(OpenAIClient client) {
        ChatCompletionCreateParams asked = chat("stream to Java")
                .streamOptions(ChatCompletionStreamOptions.builder().includeUsage(true).build()).build();
        ChatCompletionAccumulator whole = ChatCompletionAccumulator.create();
        List<ChatCompletionChunk> chunks = new ArrayList<>();
        try (StreamResponse<ChatCompletionChunk> stream = client.chat().completions().createStreaming(asked)) {
            stream.stream().peek(whole::accumulate).forEach(chunks::add);
        }
        return Map.of("chunks", chunks, "whole", whole.chatCompletion());
    }

    private static Object responseStreamed(OpenAIClient client) {
        try (StreamResponse<ResponseStreamEvent> stream =
                client.responses().createStreaming(response("stream a response to Java"))) {
            return stream.stream().toList();
        }
    }

    // The message shows parts of the key, which no cassette keeps.
    private static Object refusedKey(OpenAIClient client) {
        try {
            return client.withOptions(options -> options.apiKey("sk-" + "wrong")).models().retrieve("gpt-4o");
        } catch (UnauthorizedException error) {
            return Map.of("status", error.statusCode(), "code", error.code().orElse(""));
        }
    }

    // The first two requests are refused, and the SDK tries again by itself.
    private static ChatCompletionCreateParams rateLimited(String who) {
        return chat("after a while").putAdditionalHeader("x-standin", "fail=2:429,retry-after-ms=20")
                .putAdditionalHeader("x-standin-id", who).build();
    }

    private static Object file(OpenAIClient client) throws Exception {
        FileObject sent = client.files().create(FileCreateParams.builder().purpose(FilePurpose.BATCH)
                .file(named("lines.jsonl", "{\"a\": 1}\n\0\u00ff")).build());
        Object content = digest(client.files().content(sent.id()));
        return List.of(sent, content, client.files().delete(sent.id()));
    }

    private static MultipartField<InputStream> named(String name, String latin1) {
        InputStream bytes = new ByteArrayInputStream(latin1.getBytes(StandardCharsets.ISO_8859_1));
        return MultipartField.<InputStream>builder().value(bytes).filename(name).build();
    }

    private static Object digest(HttpResponse answer) throws Exception {
        try (answer) {
            byte[] bytes = answer.body().readAllBytes();
            byte[] sum = MessageDigest.getInstance("SHA-256").digest(bytes);
            return Map.of("bytes", bytes.length, "sha256", HexFormat.of().formatHex(sum));
        }
    }
}
