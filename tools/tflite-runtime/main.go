// Command tflite-runtime verifies the archives of the TFLite runtime that Maven downloaded and
// unpacks the agent's parts: lib/libtensorflowlite_c.so, include/ and the LICENSE.
//
// If a checksum differs, it unpacks nothing and exits with code 1. It needs neither unzip nor
// jar, which a minimal Debian does not have.
package main

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// checksums of the archives by file name, computed from the registry's files.
func checksums() map[string]string {
	return map[string]string{
		"tensorflow-lite-2.21.0-1.5.14-linux-x86_64.jar": "97061333854967aadf2f092681d63af90b804db3800f007cffd24a2901f4bc72",
		"tensorflow-lite-2.21.0-1.5.14-linux-arm64.jar":  "d34e33c49ce6da8f3c982cc6a084ff02f078d9c371dfb18a269aff93e0949d03",
		"tensorflow-lite-2.16.1.aar":                     "34b065817e294e7dd3569504e8b9454938ceae453b6a459da54d5f6e45d3c94e",
	}
}

func main() {
	jar := flag.String("jar", "", "archive with the library")
	aar := flag.String("aar", "", "archive with the headers")
	out := flag.String("o", "", "folder to write; replaced")
	flag.Parse()
	if err := unpack(checksums(), *jar, *aar, *out); err != nil {
		fmt.Fprintln(os.Stderr, "tflite-runtime:", err)
		os.Exit(1)
	}
}

func unpack(sums map[string]string, jar, aar, out string) error {
	if jar == "" || aar == "" || out == "" {
		return errors.New("want -jar FILE -aar FILE -o DIR")
	}
	for _, f := range []string{jar, aar} {
		if err := verify(sums, f); err != nil {
			return err
		}
	}
	tmp, err := os.MkdirTemp(filepath.Dir(out), ".tflite-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	library := func(name string) string {
		if filepath.Base(name) == "libjnitensorflowlite.so" {
			return "lib/libtensorflowlite_c.so"
		}
		return ""
	}
	header := func(name string) string {
		if name == "LICENSE" {
			return name
		}
		if rest, ok := strings.CutPrefix(name, "headers/"); ok && strings.HasSuffix(name, ".h") {
			return "include/" + rest
		}
		return ""
	}
	if err := extract(jar, tmp, library); err != nil {
		return err
	}
	if err := extract(aar, tmp, header); err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	return os.Rename(tmp, out)
}

// verify compares a file's sha256 with the one known for its name.
func verify(sums map[string]string, path string) error {
	want, ok := sums[filepath.Base(path)]
	if !ok {
		return fmt.Errorf("%s: no checksum is known for this file on %s", path, runtime.GOARCH)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("%s: sha256 is %s, want %s; delete the file and its copy in the package client's cache, then run make again", path, got, want)
	}
	return nil
}

// extract writes the members for which name gives a path, and fails if there is none.
func extract(archive, dir string, name func(string) string) error {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	defer z.Close()
	n := 0
	for _, m := range z.File {
		to := name(m.Name)
		if to == "" || !filepath.IsLocal(to) {
			continue
		}
		if err := copyMember(m, filepath.Join(dir, to)); err != nil {
			return fmt.Errorf("%s: %s: %w", archive, m.Name, err)
		}
		n++
	}
	if n == 0 {
		return fmt.Errorf("%s: the archive has none of the files that latlab needs", archive)
	}
	return nil
}

func copyMember(m *zip.File, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	r, err := m.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}
