package config

import (
	"encoding"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// configField is a field with its key; the key of an embedded struct's fields is their own.
type configField struct {
	reflect.StructField
	key []string // empty for an embedded struct
}

func fields(t reflect.Type) []configField {
	var out []configField
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		switch {
		case !f.IsExported(), tag == "-":
		case f.Anonymous && tag == "":
			out = append(out, configField{f, nil})
		case tag != "":
			out = append(out, configField{f, []string{tag}})
		}
	}
	return out
}

// table is the struct behind a type that makes a TOML table: struct, pointer to it, or slice of it.
func table(t reflect.Type) (reflect.Type, bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return nil, false
	}
	return t, true
}

// field finds the field of a dotted key.
func field(t reflect.Type, key []string) (configField, bool) {
	st, ok := table(t)
	if !ok || len(key) == 0 {
		return configField{}, false
	}
	for _, f := range fields(st) {
		switch {
		case f.key == nil:
			if in, ok := field(f.Type, key); ok {
				return in, true
			}
		case f.key[0] == key[0] && len(key) == 1:
			return f, true
		case f.key[0] == key[0]:
			return field(f.Type, key[1:])
		}
	}
	return configField{}, false
}

// allowed lists the keys beside the last part of a key that is not known.
func allowed(t reflect.Type, key []string) []string {
	for n := len(key) - 1; n >= 0; n-- {
		at := t
		if n > 0 {
			f, ok := field(t, key[:n])
			if !ok {
				continue
			}
			at = f.Type
		}
		if st, ok := table(at); ok {
			return keys(st)
		}
	}
	return nil
}

func keys(t reflect.Type) []string {
	var out []string
	for _, f := range fields(t) {
		if f.key == nil {
			out = append(out, keys(f.Type)...)
		} else {
			out = append(out, f.key[0])
		}
	}
	return out
}

// typeName says in words what a value may be.
func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Duration]():
		return "a length of time such as 7d, 12h, 30m, or 0"
	case t == reflect.TypeFor[Secret]():
		return "a text (secret)"
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return "a text"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, not negative"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "a text"
	case reflect.Slice:
		return "a list, each " + typeName(t.Elem())
	case reflect.Map:
		return "a table of names, each " + typeName(t.Elem())
	}
	return "a table"
}

// Describe prints every key with its doc, what it may be, and its value in v as the default: a file that Load takes.
func Describe(w io.Writer, v any) error {
	d := describer{w: w}
	rv := reflect.Indirect(reflect.ValueOf(v))
	d.table(nil, rv, "")
	return d.err
}

type describer struct {
	w   io.Writer
	err error
}

func (d *describer) line(format string, args ...any) {
	if d.err == nil {
		_, d.err = fmt.Fprintf(d.w, format+"\n", args...)
	}
}

func (d *describer) table(path []string, v reflect.Value, doc string) {
	if len(path) > 0 {
		d.line("")
		if doc != "" {
			d.line("# %s", doc)
		}
		d.line("[%s]", strings.Join(path, "."))
	}
	d.values(v)
	d.tables(path, v)
}

// values prints the keys of a table; they come before its inner tables, as TOML wants it.
func (d *describer) values(v reflect.Value) {
	for _, f := range fields(v.Type()) {
		if f.key == nil {
			d.values(v.FieldByIndex(f.Index))
			continue
		}
		if _, ok := table(f.Type); ok {
			continue
		}
		d.line("# %s (%s)", f.Tag.Get("doc"), typeName(f.Type))
		value := v.FieldByIndex(f.Index).Interface()
		if m, ok := value.(encoding.TextMarshaler); ok { // toml would print a Secret, since it is a string
			if b, err := m.MarshalText(); err == nil {
				value = string(b)
			}
		}
		b, err := toml.Marshal(map[string]any{f.key[0]: value})
		if err != nil && d.err == nil {
			d.err = fmt.Errorf("config: describing %s: %w", f.key[0], err)
		}
		text := strings.TrimSuffix(string(b), "\n")
		if text == "" || strings.HasPrefix(text, "[") { // a nil slice or a map
			text = "# " + f.key[0] + " ="
		}
		d.line("%s", text)
	}
}

func (d *describer) tables(path []string, v reflect.Value) {
	for _, f := range fields(v.Type()) {
		at := append(path[:len(path):len(path)], f.key...)
		value := v.FieldByIndex(f.Index)
		if f.key == nil {
			d.tables(path, value)
			continue
		}
		st, ok := table(f.Type)
		if !ok {
			continue
		}
		if value.Kind() == reflect.Struct {
			d.table(at, value, f.Tag.Get("doc"))
			continue
		}
		d.line("")
		d.line("# %s", f.Tag.Get("doc"))
		d.line("# [[%s]] with the keys %s", strings.Join(at, "."), strings.Join(keys(st), ", "))
	}
}
