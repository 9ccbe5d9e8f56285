package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// promiseHead is the first line of a promise. No log may have it as its origin, so a promise never passes for a checkpoint.
const promiseHead = "writ.promise/v1"

// PromiseHead is the text that an origin must not begin with.
const PromiseHead = "writ.promise"

// Promise is the house's word at filing: the commitment will be in the log Origin by By. It is signed as a note of five lines:
// head, origin, commitment (base64), time received and latest time (RFC 3339, UTC, seconds).
type Promise struct {
	Origin     string
	Commitment [32]byte
	Received   time.Time
	By         time.Time
}

// Text gives the note text that is signed.
func (p Promise) Text() string {
	return strings.Join([]string{promiseHead, p.Origin, base64.StdEncoding.EncodeToString(p.Commitment[:]),
		"received " + p.Received.UTC().Format(time.RFC3339), "by " + p.By.UTC().Format(time.RFC3339), ""}, "\n")
}

// OpenPromise checks the signature of key over a promise and reads it.
func OpenPromise(signed []byte, key note.Verifier) (Promise, error) {
	text, err := open(signed, key)
	if err != nil {
		return Promise{}, err
	}
	l := strings.Split(text, "\n")
	if len(l) != 6 || l[0] != promiseHead || !strings.HasPrefix(l[3], "received ") || !strings.HasPrefix(l[4], "by ") {
		return Promise{}, errors.New("verify: this signed note is not a promise")
	}
	p := Promise{Origin: l[1]}
	if p.Origin != key.Name() {
		return Promise{}, fmt.Errorf("verify: a promise of the log %q, not of %q", p.Origin, key.Name())
	}
	c, err := decode64(l[2])
	if err != nil || len(c) != len(p.Commitment) {
		return Promise{}, errors.New("verify: the promise's commitment is not 32 bytes of base64")
	}
	copy(p.Commitment[:], c)
	if p.Received, err = time.Parse(time.RFC3339, l[3][len("received "):]); err != nil {
		return Promise{}, fmt.Errorf("verify: the promise's time of receipt: %w", err)
	}
	if p.By, err = time.Parse(time.RFC3339, l[4][len("by "):]); err != nil {
		return Promise{}, fmt.Errorf("verify: the promise's latest time: %w", err)
	}
	return p, nil
}

// Commit is the hiding commitment of an event: SHA-256(salt ‖ canonical event).
func Commit(salt [32]byte, event []byte) [32]byte {
	h := sha256.New()
	h.Write(salt[:])
	h.Write(event)
	return [32]byte(h.Sum(nil))
}

// Tag links a counted case to its report fact for those who know the salt: SHA-256(intake leaf ‖ salt).
func Tag(intake, salt [32]byte) [32]byte { return Commit(intake, salt[:]) }

// Opening shows what a commitment hides. Event is the canonical text, byte for byte.
type Opening struct {
	Salt  []byte `json:"salt"`
	Event string `json:"event"`
}

// Receipt is the file that an officer (or a notified person) keeps. Promise alone is what filing gives; Proof is added when
// the leaf is in the log; Opening shows that the leaf is this very event; TagSalt lets the holder find the case in the report.
type Receipt struct {
	Promise string   `json:"promise"`
	Proof   string   `json:"proof,omitempty"`
	Opening *Opening `json:"opening,omitempty"`
	TagSalt []byte   `json:"tag_salt,omitempty"`
}

// ReadReceipt reads a receipt file: the JSON of Receipt, or a bare signed promise.
func ReadReceipt(data []byte) (Receipt, error) {
	if len(data) > maxNote {
		return Receipt{}, fmt.Errorf("verify: a receipt of %d bytes is over the limit of %d", len(data), maxNote)
	}
	if bytes.HasPrefix(data, []byte(promiseHead+"\n")) {
		return Receipt{Promise: string(data)}, nil
	}
	var r Receipt
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Receipt{}, fmt.Errorf("verify: this is neither a signed promise nor a receipt file: %w", err)
	}
	if r.TagSalt != nil && len(r.TagSalt) != 32 {
		return Receipt{}, errors.New("verify: the receipt's tag salt is not 32 bytes")
	}
	if r.Opening != nil && len(r.Opening.Salt) != 32 {
		return Receipt{}, errors.New("verify: the receipt's opening has a salt that is not 32 bytes")
	}
	return r, nil
}

// CheckReceipt checks a receipt file with the house's key, as of now. A promise whose time has passed without a proof is broken,
// and the result says so. proof, if not empty, is a .tlog-proof fetched later; it takes the place of the one in the receipt.
func CheckReceipt(receipt, proof []byte, vkey string, now time.Time) (*Result, error) {
	key, err := Key(vkey)
	if err != nil {
		return nil, err
	}
	r, err := ReadReceipt(receipt)
	if err != nil {
		return nil, err
	}
	if len(proof) == 0 {
		proof = []byte(r.Proof)
	}
	res := &Result{Title: "Receipt of " + key.Name()}
	p, err := OpenPromise([]byte(r.Promise), key)
	if !res.check(err, "the promise is signed by %s", key.Name()) {
		res.Answer = "This is not a promise of that house."
		return res, nil
	}
	res.add(Passed, "received %s; to be in the log by %s", stamp(p.Received), stamp(p.By))
	if r.Opening != nil {
		var wrong error
		if Commit([32]byte(r.Opening.Salt), []byte(r.Opening.Event)) != p.Commitment {
			wrong = errors.New("the opening does not match")
		}
		res.check(wrong, "the commitment is that of the event in this receipt")
	} else {
		res.add(Unknown, "what the commitment hides: the receipt carries no opening")
	}
	res.kept(p, proof, key, now)
	if r.TagSalt != nil {
		tag := Tag(p.Commitment, [32]byte(r.TagSalt))
		res.add(Passed, "the tag of this case in the report: %s", hex.EncodeToString(tag[:]))
	}
	return res, nil
}

// kept decides whether the promise was kept, is still open, or is broken.
func (r *Result) kept(p Promise, proof []byte, key note.Verifier, now time.Time) {
	if len(proof) == 0 {
		if now.After(p.By) {
			r.add(Failed, "BROKEN PROMISE: the time passed %s ago and there is no proof", now.Sub(p.By).Round(time.Second))
			r.Answer = "Broken promise: the house said the request would be in its log by " + stamp(p.By) + ", and this receipt has no proof that it is. Fetch the proof; if the house cannot give one, publish this receipt."
			return
		}
		r.add(Unknown, "inclusion: no proof yet, and the promise runs until %s", stamp(p.By))
		r.Answer = "The promise is genuine and still open."
		return
	}
	pr, err := ParseProof(proof)
	var c Checkpoint
	if err == nil {
		c, err = pr.Check(p.Commitment[:], key)
	}
	if !r.check(err, "the commitment is in the log") {
		r.Answer = "The proof does not show that this commitment is in the log."
		if now.After(p.By) {
			r.add(Failed, "BROKEN PROMISE: the time passed %s ago and the proof is wrong", now.Sub(p.By).Round(time.Second))
			r.Answer = "Broken promise: the time has passed and the proof given does not hold."
		}
		return
	}
	r.add(Passed, "at place %d of a signed log of %d leaves", pr.Index, c.Size)
	r.Answer = "The request is in the log."
	if !r.OK() {
		r.Answer = "The request is in the log, but the receipt is wrong in another point."
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
