package desk

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"writ/desk/production"
	"writ/desk/registry"
	"writ/records"
	"writ/store"
	"writ/tlog"
	"writ/tlog/verify"
)

// turnSystem opens a turn of the clockwork on a case, in a transaction.
func (d *Desk) turnSystem(ctx context.Context, caseID string, f func(t *turn) error) error {
	return d.write(ctx, func(tx *store.Tx) error {
		t, err := d.begin(ctx, tx, systemActor, caseID)
		if err != nil {
			return err
		}
		if err := f(t); err != nil {
			return err
		}
		return t.end()
	})
}

// extract runs the extraction of a case that is in the state Extracting: records hands over what the grant names, production makes the
// package, and a last transaction keeps it. If the house dies in between, it is done again: nothing left it.
func (d *Desk) extract(ctx context.Context, caseID string) error {
	c, k, es, err := d.load(ctx, d.d.DB, caseID)
	if err != nil {
		return err
	}
	if c.State != Extracting || c.Proposal == nil || c.Erased {
		return nil
	}
	cover, err := d.cover(ctx, c, k, es[0])
	if err != nil {
		return err
	}
	col := production.NewCollector(cover)
	_, err = d.d.Gate.Extract(ctx, c.Proposal.Grant, col)
	if err != nil {
		return d.extractionFailed(ctx, caseID, err)
	}
	pkg, err := col.Package(d.d.Signer)
	if errors.Is(err, production.ErrNothing) {
		return d.turnSystem(ctx, caseID, func(t *turn) error {
			if t.c.State != Extracting {
				return nil
			}
			if err := t.closeGrant("no records held"); err != nil {
				return err
			}
			return t.system("nothing_held", Facts{Records: map[string]int64{}}, nil)
		})
	}
	if err != nil {
		return d.extractionFailed(ctx, caseID, err)
	}
	return d.turnSystem(ctx, caseID, func(t *turn) error {
		if t.c.State != Extracting || t.c.Proposal == nil || t.c.Proposal.Grant != c.Proposal.Grant {
			return nil // it was paused, sent back or withdrawn meanwhile: what was made is thrown away
		}
		doc := Document{ID: newDocumentID(), Name: pkg.Name, Kind: "package", Size: int64(len(pkg.Zip))}
		if err := putDocument(t.ctx, t.tx, t.c.ID, t.key, doc, []byte{}, pkg.Zip, t.now); err != nil {
			return err
		}
		return t.system("packaged", Facts{Document: doc.ID, Size: doc.Size, Hash: hex.EncodeToString(pkg.Hash[:]), Records: pkg.Records}, &Detail{Text: pkg.Name})
	})
}

// cover is all that the package says besides the records.
func (d *Desk) cover(ctx context.Context, c Case, k caseKey, first Event) (production.Cover, error) {
	a, err := registry.GetAgency(ctx, d.d.DB, c.Request.Agency)
	if err != nil {
		return production.Cover{}, err
	}
	p, err := registry.GetPerson(ctx, d.d.DB, c.Request.Officer)
	if err != nil {
		return production.Cover{}, err
	}
	sum := verify.Commit(k.salt(first.Seq), first.canonical())
	e, err := d.d.Tlog.Entry(ctx, d.d.DB, sum)
	if err != nil {
		return production.Cover{}, fmt.Errorf("desk: finding a receipt: %w", err)
	}
	promise, err := d.d.Tlog.Promise(e)
	if err != nil {
		return production.Cover{}, fmt.Errorf("desk: giving a receipt: %w", err)
	}
	file := receiptFile(k, first, promise)
	switch proof, err := d.d.Tlog.Proof(ctx, sum); {
	case err == nil:
		file.Proof = string(proof.Bytes())
	case !errors.Is(err, tlog.ErrPending): // an early package goes without the proof; the portal gives it later
		return production.Cover{}, fmt.Errorf("desk: proving a receipt: %w", err)
	}
	receipt, err := json.Marshal(file)
	if err != nil {
		return production.Cover{}, fmt.Errorf("desk: giving a receipt: %w", err)
	}
	s := c.Proposal.Scope
	return production.Cover{Case: c.ID, House: d.d.Config.Provider, Address: d.d.Config.Address, Custodian: d.d.Config.Custodian, Agency: a.Name, Officer: p.Name,
		Instrument: c.Request.Instrument.Title(), LegalBasis: c.Request.LegalBasis, Reference: c.Request.Reference, Jurisdiction: c.Request.Jurisdiction,
		Service: d.service(c.Request.Service).Name, Identifiers: s.Identifiers, From: s.From, To: s.To, Schedule: d.d.Schedule().Version(),
		Made: d.d.Clock.Now(), Received: c.Received, VKey: d.d.VKey, Receipt: receipt}, nil
}

// extractionFailed takes the case back to approved, with the reason.
func (d *Desk) extractionFailed(ctx context.Context, caseID string, cause error) error {
	code := "extraction.fault"
	switch {
	case errors.Is(cause, records.ErrStanding):
		code = "standing.production_paused"
	case errors.Is(cause, records.ErrExpired):
		code = "sign.expired"
	case gateRefusal(cause) != nil:
		code = "sign.invalid"
	case ctx.Err() != nil:
		return cause // the house is stopping: it is done again at the next start
	}
	d.log.Warn("an extraction failed", "case", caseID, "code", code, "err", cause)
	return d.turnSystem(ctx, caseID, func(t *turn) error {
		if t.c.State != Extracting {
			return nil
		}
		return t.system("extraction_failed", Facts{Why: code}, nil)
	})
}

// Download is a package as it is handed over.
type Download struct {
	Name      string
	Body      []byte
	Encrypted bool // with age, to the agency's key
}

// Download hands the package to the officer who filed the request, once: the second call is refused with delivery.used. It is
// encrypted with age if the agency registered a key. What the registry holds decides, not what the request says.
func (d *Desk) Download(ctx context.Context, by Actor, caseID string) (Download, error) {
	var out Download
	err := d.write(ctx, func(tx *store.Tx) error {
		t, err := d.begin(ctx, tx, by, caseID)
		if err != nil {
			return err
		}
		if _, err := t.check("download"); err != nil {
			return err
		}
		a, err := registry.GetAgency(ctx, tx, t.c.Request.Agency)
		if err != nil {
			return err
		}
		zip, err := readDocument(ctx, tx, caseID, t.key, t.c.Package.Document)
		if err != nil {
			return err
		}
		out = Download{Name: t.c.Package.Name, Body: zip}
		if a.Recipient != "" {
			if out.Body, err = production.Encrypt(a.Recipient, zip); err != nil {
				return err
			}
			out.Name, out.Encrypted = out.Name+".age", true
		}
		if err := t.say("download", Facts{Document: t.c.Package.Document}, nil); err != nil {
			return err
		}
		return t.end()
	})
	d.note(by, caseID, "download", err)
	if err != nil {
		return Download{}, err
	}
	return out, nil
}

// Inspect gives the people who sign the package's bytes, so that they see what they release.
func (d *Desk) Inspect(ctx context.Context, by Actor, caseID string) ([]byte, error) {
	who, c, k, _, err := d.open(ctx, by, caseID)
	if err != nil {
		return nil, err
	}
	if c.State != SecondApproval || c.Package == nil || !who.Has(registry.Reviewer) && !who.Has(registry.Approver) {
		return nil, refuse("state.not_offered", "inspect in "+string(c.State))
	}
	return readDocument(ctx, d.d.DB, caseID, k, c.Package.Document)
}
