// Talks to the OpenAI API with openai-go as programs do, and prints what came of it as JSON.
//
//	sdk [STEP...]    every step, or those that are named
//
// Where it connects comes from the environment alone: OPENAI_BASE_URL, OPENAI_API_KEY, HTTPS_PROXY,
// SSL_CERT_FILE, as in any Go program; and SDK_PROXY. Two runs print the same if they were answered
// the same.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

const model = "gpt-4o-mini"

type result struct {
	Name   string `json:"name"`
	Value  any    `json:"value,omitempty"`
	Error  string `json:"error,omitempty"`
	Status int    `json:"status,omitempty"`
}

func main() {
	// http.ProxyFromEnvironment never takes a proxy to loopback, so for that it is given by another name.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if proxy := os.Getenv("SDK_PROXY"); proxy != "" {
		transport.Proxy = fixedProxy(proxy)
	}
	client := openai.NewClient(
		option.WithHTTPClient(&http.Client{Transport: transport}),
		option.WithMaxRetries(2),
	)
	ctx := context.Background()
	var results []result
	for _, one := range []struct {
		name string
		run  func(context.Context, openai.Client) (any, error)
	}{
		{"chat", chat},
		{"shared", everybodys},
		{"chat_streamed", chatStreamed},
		{"chat_tool", chatTool},
		{"responses", response},
		{"responses_streamed", responseStreamed},
		{"embeddings", embeddings},
		{"models", models},
		{"model_missing", modelMissing},
		{"speech", speech},
		{"transcription", transcription},
		{"file", file},
		{"rate_limited", rateLimited},
		{"refused_key", refusedKey},
	} {
		if len(os.Args) > 1 && !slices.Contains(os.Args[1:], one.name) {
			continue
		}
		value, err := one.run(ctx, client)
		results = append(results, describe(one.name, value, err))
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	if err := out.Encode(results); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func describe(name string, value any, err error) result {
	var failed *openai.Error
	switch {
	case errors.As(err, &failed):
		return result{Name: name, Error: failed.Message + " (" + failed.Code + ")", Status: failed.StatusCode}
	case err != nil:
		return result{Name: name, Error: err.Error()}
	}
	return result{Name: name, Value: value}
}

func question(text string) []openai.ChatCompletionMessageParamUnion {
	return []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)}
}

func chat(ctx context.Context, client openai.Client) (any, error) {
	var raw *http.Response
	done, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
		Model: model, Messages: question("hello from Go"),
	}, option.WithResponseInto(&raw))
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"raw": json.RawMessage(done.RawJSON()), "status": raw.StatusCode,
		"proto": raw.Proto, "type": raw.Header.Get("Content-Type"), "text": done.Choices[0].Message.Content,
	}, nil
}

// Asked in other languages too.
func everybodys(ctx context.Context, client openai.Client) (any, error) {
	done, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
		Model: model, Messages: question("hello from anywhere"),
	})
	if err != nil {
		return nil, err
	}
	return json.RawMessage(done.RawJSON()), nil
}

func chatStreamed(ctx context.Context, client openai.Client) (any, error) {
	stream := client.Chat.Completions.NewStreaming(ctx, openai.ChatCompletionNewParams{
		Model: model, Messages: question("stream to Go"),
		StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: param.NewOpt(true)},
	})
	defer stream.Close()
	whole := openai.ChatCompletionAccumulator{}
	var chunks []json.RawMessage
	for stream.Next() {
		chunk := stream.Current()
		chunks = append(chunks, json.RawMessage(chunk.RawJSON()))
		whole.AddChunk(chunk)
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	return map[string]any{"chunks": chunks, "text": whole.Choices[0].Message.Content, "usage": whole.Usage.TotalTokens}, nil
}

func chatTool(ctx context.Context, client openai.Client) (any, error) {
	done, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
		Model: model, Messages: question("use the tool for 2 and 3"),
		Tools: []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
			Name: "add",
			Parameters: shared.FunctionParameters{
				"type":       "object",
				"properties": map[string]any{"a": map[string]string{"type": "integer"}, "b": map[string]string{"type": "integer"}},
			},
		})},
	})
	if err != nil {
		return nil, err
	}
	return json.RawMessage(done.RawJSON()), nil
}

func response(ctx context.Context, client openai.Client) (any, error) {
	done, err := client.Responses.New(ctx, responses.ResponseNewParams{
		Model: model, Input: responses.ResponseNewParamsInputUnion{OfString: param.NewOpt("respond to Go")},
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"raw": json.RawMessage(done.RawJSON()), "text": done.OutputText()}, nil
}

func responseStreamed(ctx context.Context, client openai.Client) (any, error) {
	stream := client.Responses.NewStreaming(ctx, responses.ResponseNewParams{
		Model: model, Input: responses.ResponseNewParamsInputUnion{OfString: param.NewOpt("stream a response to Go")},
	})
	defer stream.Close()
	var events []json.RawMessage
	for stream.Next() {
		event := stream.Current()
		events = append(events, json.RawMessage(event.RawJSON()))
		if event.Type == "response.completed" {
			break // as programs do: the connection is closed before the answer's end
		}
	}
	return events, stream.Err()
}

func embeddings(ctx context.Context, client openai.Client) (any, error) {
	done, err := client.Embeddings.New(ctx, openai.EmbeddingNewParams{
		Model: "text-embedding-3-small", Input: openai.EmbeddingNewParamsInputUnion{OfString: param.NewOpt("embed")},
	})
	if err != nil {
		return nil, err
	}
	return done.Data[0].Embedding, nil
}

func models(ctx context.Context, client openai.Client) (any, error) {
	page, err := client.Models.List(ctx)
	if err != nil {
		return nil, err
	}
	return json.RawMessage(page.RawJSON()), nil
}

func modelMissing(ctx context.Context, client openai.Client) (any, error) {
	return client.Models.Get(ctx, "no-such-model")
}

// The message shows parts of the key, which no cassette keeps.
func refusedKey(ctx context.Context, client openai.Client) (any, error) {
	_, err := client.Models.Get(ctx, "gpt-4o", option.WithAPIKey("sk-"+"wrong"))
	var failed *openai.Error
	if !errors.As(err, &failed) {
		return nil, fmt.Errorf("the key was not refused: %w", err)
	}
	return map[string]any{"status": failed.StatusCode, "code": failed.Code}, nil
}

func speech(ctx context.Context, client openai.Client) (any, error) {
	done, err := client.Audio.Speech.New(ctx, openai.AudioSpeechNewParams{
		Model: "tts-1", Input: "say this", Voice: openai.AudioSpeechNewParamsVoiceUnion{OfString: param.NewOpt("alloy")},
	})
	if err != nil {
		return nil, err
	}
	defer done.Body.Close()
	audio, err := io.ReadAll(done.Body)
	digest := sha256.Sum256(audio)
	return map[string]any{"bytes": len(audio), "sha256": hex.EncodeToString(digest[:])}, err
}

func file(ctx context.Context, client openai.Client) (any, error) {
	sent, err := client.Files.New(ctx, openai.FileNewParams{
		File:    openai.File(bytes.NewReader([]byte("{\"a\": 1}\n\x00\xff")), "lines.jsonl", "application/jsonl"),
		Purpose: openai.FilePurposeBatch,
	})
	if err != nil {
		return nil, err
	}
	content, err := client.Files.Content(ctx, sent.ID)
	if err != nil {
		return nil, err
	}
	defer content.Body.Close()
	bytes, err := io.ReadAll(content.Body)
	if err != nil {
		return nil, err
	}
	gone, err := client.Files.Delete(ctx, sent.ID)
	if err != nil {
		return nil, err
	}
	return []any{json.RawMessage(sent.RawJSON()), hex.EncodeToString(bytes), json.RawMessage(gone.RawJSON())}, nil
}

func transcription(ctx context.Context, client openai.Client) (any, error) {
	done, err := client.Audio.Transcriptions.New(ctx, openai.AudioTranscriptionNewParams{
		Model: openai.AudioModelWhisper1,
		File:  openai.File(bytes.NewReader([]byte("RIFF\x00\xff\xfe")), "a.wav", "audio/wav"),
	})
	if err != nil {
		return nil, err
	}
	return done.Text, nil
}

// The first two requests are refused, and the SDK tries again by itself.
func rateLimited(ctx context.Context, client openai.Client) (any, error) {
	done, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
		Model: model, Messages: question("after a while"),
	}, option.WithHeader("x-standin", "fail=2:429,retry-after-ms=20"), option.WithHeader("x-standin-id", "go"))
	if err != nil {
		return nil, err
	}
	return json.RawMessage(done.RawJSON()), nil
}
