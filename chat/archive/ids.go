package archive

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"writ/xmpp/jid"
)

// ids turns positions into archive ids and back. XEP-0313 §3 and XEP-0359 §6 want ids from which nobody can infer anything; a plain
// position would tell every user how many messages the whole house carries. So an id is the position and a mark of the archive,
// enciphered as one block: it cannot be guessed, made up or carried to another archive, and checking one costs no look-up.
type ids struct{ block cipher.Block }

const keySize = 16

var encoding = base64.RawURLEncoding

func newIDs(key []byte) (ids, error) {
	b, err := aes.NewCipher(key)
	return ids{b}, err
}

// mark names the archive in the second half of the block.
func mark(account jid.JID) uint64 {
	sum := sha256.Sum256([]byte(account.Bare().String()))
	return binary.BigEndian.Uint64(sum[:])
}

func (c ids) encode(account jid.JID, n int64) string {
	var b [aes.BlockSize]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	binary.BigEndian.PutUint64(b[8:], mark(account))
	c.block.Encrypt(b[:], b[:])
	return encoding.EncodeToString(b[:])
}

// decode is the position of an id of that archive; false for anything else.
func (c ids) decode(account jid.JID, id string) (int64, bool) {
	var b [aes.BlockSize]byte
	if len(id) != encoding.EncodedLen(len(b)) {
		return 0, false
	}
	if n, err := encoding.Strict().Decode(b[:], []byte(id)); err != nil || n != len(b) {
		return 0, false
	}
	c.block.Decrypt(b[:], b[:])
	n := int64(binary.BigEndian.Uint64(b[:]))
	if binary.BigEndian.Uint64(b[8:]) != mark(account) || n <= 0 {
		return 0, false
	}
	return n, true
}

// tag is a few bits of an address, which mean nothing without the key.
func (c ids) tag(j jid.JID) uint16 {
	var b [aes.BlockSize]byte
	binary.BigEndian.PutUint64(b[8:], mark(j))
	c.block.Encrypt(b[:], b[:])
	return binary.BigEndian.Uint16(b[:])
}
