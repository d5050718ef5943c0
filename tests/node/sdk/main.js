// Talks to the OpenAI API with the openai package as programs do; prints what came of each step, a line of
// JSON each.
//
//     node main.js [--undici] [STEP...]    every step, or those that are named
//
// Where it connects comes from the environment alone: OPENAI_BASE_URL, OPENAI_API_KEY, and what Node itself
// reads; with --undici HTTPS_PROXY and NO_PROXY too, whatever Node's version. Two runs print the same if they
// were answered the same.
import { createHash } from "node:crypto";
import OpenAI, { toFile } from "openai";

const model = "gpt-4o-mini";
const add = {
  type: "function",
  function: {
    name: "add",
    parameters: {
      type: "object",
      properties: { a: { type: "integer" }, b: { type: "integer" } },
      required: ["a", "b"],
    },
  },
};

const ask = (content) => [{ role: "user", content }];
const digest = async (answer) => {
  const bytes = Buffer.from(await answer.arrayBuffer());
  return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
};
const gather = async (stream) => {
  const all = [];
  for await (const one of stream) all.push(one);
  return all;
};

const steps = {
  chat: (client) => client.chat.completions.create({ model, messages: ask("hello from Node") }),

  chat_streamed: async (client) =>
    gather(
      await client.chat.completions.create({
        model,
        messages: ask("stream to Node"),
        stream: true,
        stream_options: { include_usage: true },
      }),
    ),

  chat_helper: async (client) => {
    const stream = client.chat.completions.stream({ model, messages: ask("use the tool for 2 and 3"), tools: [add] });
    let deltas = 0;
    stream.on("tool_calls.function.arguments.delta", () => (deltas += 1));
    return { whole: await stream.finalChatCompletion(), deltas };
  },

  // Asked in other languages too, with the keys in another order.
  shared: (client) => client.chat.completions.create({ messages: ask("hello from anywhere"), model }),

  tool: (client) =>
    client.chat.completions.create({ model, messages: ask("use the tool for 4 and 5"), tools: [add], tool_choice: "required" }),

  response: (client) => client.responses.create({ model, input: "respond to Node" }),

  response_streamed: async (client) =>
    gather(await client.responses.create({ model, input: "stream a response to Node", stream: true })),

  response_helper: async (client) => client.responses.stream({ model, input: "help Node with a stream" }).finalResponse(),

  // As programs do: the connection is closed before the answer's end.
  left_after_the_last_event: async (client) => {
    const seen = [];
    for await (const event of await client.responses.create({ model, input: "leave early", stream: true })) {
      seen.push(event.type);
      if (event.type === "response.completed") break;
    }
    return seen;
  },

  embeddings: (client) => client.embeddings.create({ model: "text-embedding-3-small", input: ["one", "two"] }),

  models: async (client) => (await client.models.list()).data,

  model_missing: (client) => client.models.retrieve("no-such-model"),

  // The message shows parts of the key, which no cassette keeps.
  refused_key: async (client) => {
    const stranger = client.withOptions({ apiKey: "sk-" + "wrong" });
    const { status, code } = await stranger.models.retrieve("gpt-4o").catch((error) => error);
    return { status, code };
  },

  // The first two requests are refused, and the SDK tries again by itself.
  rate_limited: (client) =>
    client.chat.completions.create(
      { model, messages: ask("after a while") },
      { headers: { "x-standin": "fail=2:429,retry-after-ms=20", "x-standin-id": "node" } },
    ),

  speech: async (client) => digest(await client.audio.speech.create({ model: "tts-1", voice: "alloy", input: "say this" })),

  transcription: async (client) => {
    const file = await toFile(Buffer.from("RIFF\0\xff\xfe", "latin1"), "a.wav", { type: "audio/wav" });
    return client.audio.transcriptions.create({ model: "whisper-1", file });
  },

  file: async (client) => {
    const file = await toFile(Buffer.from('{"a": 1}\n\0\xff', "latin1"), "lines.jsonl");
    const sent = await client.files.create({ file, purpose: "batch" });
    const content = await digest(await client.files.content(sent.id));
    return { sent, content, gone: await client.files.delete(sent.id) };
  },
};

const describe = (error) => {
  if (!(error instanceof OpenAI.APIError)) throw error;
  return { error: error.constructor.name, message: error.message, status: error.status, code: error.code };
};

let named = process.argv.slice(2);
if (named[0] === "--undici") {
  named = named.slice(1);
  const { EnvHttpProxyAgent, setGlobalDispatcher } = await import("undici");
  setGlobalDispatcher(new EnvHttpProxyAgent());
}
const client = new OpenAI();
for (const name of named.length ? named : Object.keys(steps)) {
  const result = await steps[name](client).then((value) => ({ value }), describe);
  console.log(JSON.stringify({ name, ...result }));
}
