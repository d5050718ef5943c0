package main

import (
	"net/http"
	"net/url"
)

func fixedProxy(text string) func(*http.Request) (*url.URL, error) {
	proxy, err := url.Parse(text)
	return func(*http.Request) (*url.URL, error) { return proxy, err }
}
