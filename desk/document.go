package desk

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"writ/store"
)

// chunkSize is how much of a document stands in one row.
const chunkSize = 1 << 20

func chunkPlace(caseID, doc string, n, of int) string {
	return fmt.Sprintf("document %s %s %d/%d", caseID, doc, n, of)
}

// keepDocument seals a document of a filing into its rows, and says in which other cases the same document came.
func (d *Desk) keepDocument(ctx context.Context, tx *store.Tx, caseID string, k caseKey, name string, body []byte, now time.Time) (Document, []string, error) {
	doc := Document{ID: newDocumentID(), Name: name, Kind: "filing", Size: int64(len(body)), SHA256: sha256.Sum256(body)}
	mark := d.mark(doc.SHA256)
	seen, err := casesWith(ctx, tx, caseID, mark)
	if err != nil {
		return doc, nil, err
	}
	return doc, seen, putDocument(ctx, tx, caseID, k, doc, mark, body, now)
}

func newDocumentID() string {
	k := newCaseKey()
	return fmt.Sprintf("d-%x", k[:8])
}

// casesWith lists other cases with the same document. A sealed case is not named: it does not exist for whoever is not on its team.
func casesWith(ctx context.Context, tx *store.Tx, caseID string, mark []byte) ([]string, error) {
	return store.Column[string](ctx, tx, "desk: comparing documents", `SELECT DISTINCT d.case_id FROM desk_document d JOIN desk_case c ON c.id = d.case_id
		WHERE d.mark = $1 AND d.case_id <> $2 AND c.sealed = 0 ORDER BY d.case_id LIMIT 20`, mark, caseID)
}

// putDocument writes a sealed document. Each chunk is bound to its place and to the number of chunks: none can be moved or dropped.
func putDocument(ctx context.Context, tx *store.Tx, caseID string, k caseKey, doc Document, mark, body []byte, now time.Time) error {
	chunks := max(1, (len(body)+chunkSize-1)/chunkSize)
	_, err := tx.Exec(ctx, `INSERT INTO desk_document (id, case_id, kind, size, chunks, mark, complete, created) VALUES ($1, $2, $3, $4, $5, $6, 1, $7)`,
		doc.ID, caseID, doc.Kind, doc.Size, chunks, mark, store.Time(now))
	if err != nil {
		return fmt.Errorf("desk: keeping a document: %w", err)
	}
	key := k.derive("document")
	for n := range chunks {
		part := body[n*chunkSize : min(len(body), (n+1)*chunkSize)]
		if _, err := tx.Exec(ctx, `INSERT INTO desk_chunk (document, n, body) VALUES ($1, $2, $3)`, doc.ID, n, seal(key, chunkPlace(caseID, doc.ID, n, chunks), part)); err != nil {
			return fmt.Errorf("desk: keeping a document: %w", err)
		}
	}
	return nil
}

// readDocument opens a document.
func readDocument(ctx context.Context, r store.Reader, caseID string, k caseKey, id string) ([]byte, error) {
	var chunks int
	var size int64
	err := r.QueryRow(ctx, `SELECT chunks, size FROM desk_document WHERE id = $1 AND case_id = $2`, id, caseID).Scan(&chunks, &size)
	if errors.Is(err, store.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("desk: reading a document: %w", err)
	}
	rows, err := r.Query(ctx, `SELECT body FROM desk_chunk WHERE document = $1 ORDER BY n`, id)
	if err != nil {
		return nil, fmt.Errorf("desk: reading a document: %w", err)
	}
	defer rows.Close()
	key := k.derive("document")
	out := make([]byte, 0, size)
	n := 0
	for ; rows.Next(); n++ {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("desk: reading a document: %w", err)
		}
		plain, err := unseal(key, chunkPlace(caseID, id, n, chunks), body)
		if err != nil {
			return nil, fmt.Errorf("desk: document %s of %s: %w", id, caseID, err)
		}
		out = append(out, plain...)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("desk: reading a document: %w", err)
	}
	if n != chunks || int64(len(out)) != size {
		return nil, fmt.Errorf("desk: document %s of %s is not whole: %w", id, caseID, errSealed)
	}
	return out, nil
}

// dropDocument deletes a package that will not be released.
func (d *Desk) dropDocument(ctx context.Context, tx *store.Tx, id string) error {
	for _, q := range []string{`DELETE FROM desk_chunk WHERE document = $1`, `DELETE FROM desk_document WHERE id = $1`} {
		if _, err := tx.Exec(ctx, q, id); err != nil {
			return fmt.Errorf("desk: deleting a package: %w", err)
		}
	}
	return nil
}
