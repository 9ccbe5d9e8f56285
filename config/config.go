// Package config reads one strict TOML file into the Config structs of the rooms, and describes them.
//
// A room's Config has exported fields with the tags toml:"key" and doc:"one sentence", safe zero values or values set before Load, and may have a method
// Check() error, which returns Invalid(…) for a value it refuses. An unknown key, a value of the wrong type and a refused value all stop
// the start with the file, the line, the key and what is allowed.
package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Error is what is wrong with a configuration.
type Error struct {
	File    string
	Line    int    // 0: the key is not in the file
	Key     string // dotted
	Problem string // with what is allowed
}

func (e *Error) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	return strings.TrimPrefix(fmt.Sprintf("%s: %s: %s", where, e.Key, e.Problem), ": ")
}

// Invalid is what a room's Check returns: the key as its toml tag has it, the value it refuses, and what is allowed.
// The value of a secret is not to be given.
func Invalid(key string, value any, allowed string) error {
	return &Error{Key: key, Problem: fmt.Sprintf("%q is not allowed: %s", fmt.Sprint(value), allowed)}
}

// Load reads the file at path into the struct that into points to, over the values it has.
func Load(path string, into any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return Parse(path, b, into)
}

// Parse is Load of text; name stands for the file in errors.
func Parse(name string, text []byte, into any) error {
	if err := toml.NewDecoder(strings.NewReader(string(text))).DisallowUnknownFields().Decode(into); err != nil {
		return explain(name, text, into, err)
	}
	return check(name, lines(text), nil, reflect.ValueOf(into).Elem())
}

// Check runs the Check methods of a configuration that was not read from a file.
func Check(v any) error { return check("", nil, nil, reflect.ValueOf(v).Elem()) }

func explain(name string, text []byte, into any, err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		first := strict.Errors[0]
		row, _ := first.Position()
		key := []string(first.Key())
		return &Error{name, row, strings.Join(key, "."), "unknown key: allowed are " + strings.Join(allowed(reflect.TypeOf(into), key), ", ")}
	}
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		row, _ := bad.Position()
		key := []string(bad.Key())
		if len(key) == 0 {
			key = keyAt(text, row)
		}
		problem := strings.TrimPrefix(bad.Error(), "toml: ")
		if f, ok := field(reflect.TypeOf(into), key); ok {
			problem += "; allowed is " + typeName(f.Type)
		}
		return &Error{name, row, strings.Join(key, "."), problem}
	}
	return fmt.Errorf("config: %s: %w", name, err)
}

// keyAt is the dotted key that stands in a line of the file.
func keyAt(text []byte, row int) []string {
	for key, line := range lines(text) {
		if line == row {
			return strings.Split(key, ".")
		}
	}
	return nil
}

// lines maps each dotted key of the text to its line.
func lines(text []byte) map[string]int {
	out := map[string]int{}
	p := unstable.Parser{}
	p.Reset(text)
	var table []string
	for p.NextExpression() {
		e := p.Expression()
		var key []string
		line := 0
		for it := e.Key(); it.Next(); {
			n := it.Node()
			if line == 0 {
				line = p.Shape(n.Raw).Start.Line
			}
			key = append(key, string(n.Data))
		}
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = key
		case unstable.KeyValue:
			key = append(slices.Clone(table), key...)
		}
		if name := strings.Join(key, "."); out[name] == 0 {
			out[name] = line
		}
	}
	return out
}

// check calls Check on every struct, inner ones first, and puts file, line and whole key into the error.
func check(name string, at map[string]int, prefix []string, v reflect.Value) error {
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			if err := check(name, at, prefix, v.Index(i)); err != nil {
				return err
			}
		}
		return nil
	}
	if v.Kind() != reflect.Struct {
		return nil
	}
	for _, f := range fields(v.Type()) {
		if err := check(name, at, append(slices.Clone(prefix), f.key...), v.FieldByIndex(f.Index)); err != nil {
			return err
		}
	}
	c, ok := v.Interface().(interface{ Check() error })
	if !ok && v.CanAddr() {
		c, ok = v.Addr().Interface().(interface{ Check() error })
	}
	if !ok {
		return nil
	}
	err := c.Check()
	if err == nil {
		return nil
	}
	var bad *Error
	if !errors.As(err, &bad) {
		bad = &Error{Problem: err.Error()}
	}
	if bad.File != "" {
		return bad // an outer Check met the error of an inner one
	}
	whole := slices.Clone(prefix)
	if bad.Key != "" {
		whole = append(whole, bad.Key)
	}
	key := strings.Join(whole, ".")
	return &Error{name, at[key], key, bad.Problem}
}
