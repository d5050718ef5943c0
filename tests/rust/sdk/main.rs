//! Talks to the OpenAI API with async-openai as programs do; prints what came of each step, a line of JSON each.
//!
//! `sdk [STEP...]`: every step, or those that are named. Where it connects comes from the environment alone:
//! OPENAI_BASE_URL, OPENAI_API_KEY, HTTPS_PROXY, SSL_CERT_FILE. Two runs print the same if they were answered
//! the same.

use std::error::Error;

use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::traits::RequestOptionsBuilder;
use async_openai::types::audio::{AudioInput, CreateSpeechRequestArgs, CreateTranscriptionRequestArgs, SpeechModel, Voice};
use async_openai::types::files::{CreateFileRequestArgs, FileInput, FilePurpose};
use async_openai::types::InputSource;
use async_openai::Client;
use futures::{Stream, StreamExt, TryStreamExt};
use serde_json::{json, Value};

type Api = Client<OpenAIConfig>;
type Outcome = Result<Value, OpenAIError>;

const MODEL: &str = "gpt-4o-mini";
const STEPS: [&str; 14] = [
    "chat", "chat_streamed", "tool", "response", "response_streamed", "left_after_the_last_event", "embeddings",
    "models", "model_missing", "refused_key", "rate_limited", "speech", "transcription", "file",
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::new();
    let named: Vec<String> = std::env::args().skip(1).collect();
    let all = || STEPS.iter().map(|name| name.to_string()).collect();
    for name in if named.is_empty() { all() } else { named } {
        let line = match run(&name, &client).await {
            Ok(value) => json!({"name": name, "value": value}),
            Err(OpenAIError::ApiError(error)) => json!({
                "name": name, "status": error.status_code.as_u16(),
                "error": error.api_error.message, "code": error.api_error.code,
            }),
            Err(error) => return Err(error.into()),
        };
        println!("{line}");
    }
    Ok(())
}

async fn run(name: &str, client: &Api) -> Outcome {
    match name {
        "chat" => client.chat().create_byot(ask("hello from Rust")).await,
        "chat_streamed" => chat_streamed(client).await,
        "tool" => client.chat().create_byot(with_tool(ask("use the tool for 2 and 3"))).await,
        "response" => client.responses().create_byot(json!({"model": MODEL, "input": "respond to Rust"})).await,
        "response_streamed" => gather(response_stream(client, "stream a response to Rust").await?).await,
        "left_after_the_last_event" => left_early(client).await,
        "embeddings" => {
            let asked = json!({"model": "text-embedding-3-small", "input": ["one", "two"]});
            client.embeddings().create_byot(asked).await
        }
        "models" => client.models().list_byot().await,
        "model_missing" => client.models().retrieve_byot("no-such-model").await,
        "refused_key" => refused_key().await,
        "rate_limited" => rate_limited(client).await,
        "speech" => speech(client).await,
        "transcription" => transcription(client).await,
        "file" => file(client).await,
        _ => Err(OpenAIError::InvalidArgument(format!("there is no step {name}"))),
    }
}

fn ask(text: &str) -> Value {
    json!({"model": MODEL, "messages": [{"role": "user", "content": text}]})
}

fn with_tool(mut asked: Value) -> Value {
    let number = json!({"type": "integer"});
    asked["tools"] = json!([{"type": "function", "function": {"name": "add", "parameters": {
        "type": "object", "properties": {"a": number, "b": number}, "required": ["a", "b"],
    }}}]);
    asked
}

async fn gather(stream: impl Stream<Item = Result<Value, OpenAIError>>) -> Outcome {
    stream.try_collect().await.map(Value::Array)
}

async fn chat_streamed(client: &Api) -> Outcome {
    let mut asked = ask("stream to Rust");
    asked["stream"] = json!(true);
    asked["stream_options"] = json!({"include_usage": true});
    gather(client.chat().create_stream_byot(asked).await?).await
}

async fn response_stream(
    client: &Api,
    text: &str,
) -> Result<impl Stream<Item = Result<Value, OpenAIError>> + Unpin, OpenAIError> {
    client.responses().create_stream_byot(json!({"model": MODEL, "input": text, "stream": true})).await
}

/// As programs do: the connection is closed before the answer's end.
async fn left_early(client: &Api) -> Outcome {
    let mut stream = response_stream(client, "leave early").await?;
    let mut seen = Vec::new();
    while let Some(event) = stream.next().await {
        seen.push(event?["type"].clone());
        if seen.last() == Some(&json!("response.completed")) {
            break;
        }
    }
    Ok(Value::Array(seen))
}

/// The message shows parts of the key, which no cassette keeps.
async fn refused_key() -> Outcome {
    let stranger = Client::with_config(OpenAIConfig::new().with_api_key(["sk-", "wrong"].concat()));
    let answer: Outcome = stranger.models().retrieve_byot("gpt-4o").await;
    match answer {
        Err(OpenAIError::ApiError(error)) => {
            Ok(json!({"status": error.status_code.as_u16(), "code": error.api_error.code}))
        }
        other => other,
    }
}

/// The first two requests are refused, and the SDK tries again by itself.
async fn rate_limited(client: &Api) -> Outcome {
    client
        .chat()
        .header("x-standin", "fail=2:429")?
        .header("x-standin-id", "rust")?
        .create_byot(ask("after a while"))
        .await
}

async fn speech(client: &Api) -> Outcome {
    let asked = CreateSpeechRequestArgs::default()
        .model(SpeechModel::Other("tts-1".to_string()))
        .voice(Voice::Alloy)
        .input("say this")
        .build()?;
    Ok(hex(&client.audio().speech().create(asked).await?.bytes))
}

async fn transcription(client: &Api) -> Outcome {
    let file = AudioInput { source: bytes("a.wav", b"RIFF\0\xff\xfe") };
    let asked = CreateTranscriptionRequestArgs::default().file(file).model("whisper-1").build()?;
    client.audio().transcription().create_byot(asked).await
}

async fn file(client: &Api) -> Outcome {
    let file = FileInput { source: bytes("lines.jsonl", b"{\"a\": 1}\n\0\xff") };
    let asked = CreateFileRequestArgs::default().file(file).purpose(FilePurpose::Batch).build()?;
    let sent: Value = client.files().create_byot(asked).await?;
    let id = sent["id"].as_str().unwrap_or_default().to_string();
    let content = client.files().content(&id).await?;
    let gone: Value = client.files().delete_byot(&id).await?;
    Ok(json!([sent, hex(&content), gone]))
}

fn bytes(name: &str, content: &[u8]) -> InputSource {
    InputSource::VecU8 { filename: name.to_string(), vec: content.to_vec() }
}

fn hex(bytes: &[u8]) -> Value {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}
