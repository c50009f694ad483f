package main

import (
	"debug/elf"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// texts are the licences of the parts of the TensorFlow Lite library, in runtime/; its README.md
// lists the part and source of each. They are committed because the library's packages do not
// have them, and their sources are 270 MB large or change with Debian's releases.
//
//go:embed runtime
var texts embed.FS

// parts maps a symbol's owner to a part; the names are those of runtime/README.md. The functions of
// fft2d and XNNPACK have no common prefix.
func parts() map[string]*regexp.Regexp {
	return map[string]*regexp.Regexp{
		"TensorFlow Lite": regexp.MustCompile(`^(tflite|tflite_file|mlir|tsl)::$|^(TfLite|kTfLite|tflite_)`),
		"JavaCPP Presets": regexp.MustCompile(`^(UniquePtrAdapter|MoveAdapter|JNIEnv_)::$|^(Java|JavaCPP|JNI)_`),
		"Abseil":          regexp.MustCompile(`^absl::$|^Absl`),
		"FlatBuffers":     regexp.MustCompile(`^(flatbuffers|flexbuffers|reflection)::$`),
		"gemmlowp":        regexp.MustCompile(`^gemmlowp::$`),
		"ruy":             regexp.MustCompile(`^ruy::$`),
		"Eigen":           regexp.MustCompile(`^(Eigen|EigenForTFLite)::$`),
		"FarmHash":        regexp.MustCompile(`^(farmhash[a-z]{2}|util)::$`),
		"fft2d":           regexp.MustCompile(`^(cdft|rdft|ddct|ddst|dfct|dfst|ddxt|cft|rft|dctsub|dstsub|bitrv|make(wt|ct|ipt)$)`),
		"cpuinfo":         regexp.MustCompile(`^cpuinfo_`),
		"pthreadpool":     regexp.MustCompile(`^pthreadpool_`),
		"XNNPACK":         regexp.MustCompile(`^xnnpack::$|^(xnn|create|reshape|setup|resize|run|pack|propagate|check|define|get|fill|finalize|fingerprint|murmur)_`),
	}
}

// nested are C++'s mangled names within a namespace or class, including those of its tables.
var nested = regexp.MustCompile(`^_Z[A-Z]*N[KVrRO]*(\d+)(.*)`)

// owner is the outermost namespace of a C++ symbol with its colons, the name of a C symbol, or
// "" if a C++ symbol has none or that of the standard library.
func owner(symbol string) string {
	if !strings.HasPrefix(symbol, "_Z") {
		return symbol
	}
	m := nested.FindStringSubmatch(symbol)
	if m == nil {
		return ""
	}
	if n, err := strconv.Atoi(m[1]); err == nil && n <= len(m[2]) {
		return m[2][:n] + "::"
	}
	return ""
}

// strangers are owners that belong to no part, without duplicates.
func strangers(symbols []string) []string {
	known := parts()
	var unknown []string
	for _, s := range symbols {
		o := owner(s)
		if o == "" || slices.Contains(unknown, o) {
			continue
		}
		mine := false
		for _, p := range known {
			mine = mine || p.MatchString(o)
		}
		if !mine {
			unknown = append(unknown, o)
		}
	}
	return unknown
}

// library writes the licences of a TensorFlow Lite library's parts into a folder. If a different
// version of the library has parts without a licence here, nothing is written.
func library(path, out string) error {
	file, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer file.Close()
	all, err := file.DynamicSymbols()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var symbols []string
	for _, s := range all {
		if s.Section != elf.SHN_UNDEF {
			symbols = append(symbols, s.Name)
		}
	}
	if unknown := strangers(symbols); len(unknown) > 0 {
		return fmt.Errorf("%s: symbols of unknown parts: %s; add the part's licence to tools/licences/runtime and the part to library.go", path, strings.Join(unknown, ", "))
	}
	inside, err := fs.Sub(texts, "runtime")
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(out), 0o755), os.RemoveAll(out), os.CopyFS(out, inside))
}
