package records

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"writ/store"
)

// Elsewhere reports that an account is known to be outside a jurisdiction (ISO 3166-1 alpha-2, or 3166-2): the address of its last
// sign-in is derived to another place. Without a location file, a record or a derived place nothing is known, and the answer is no. It
// serves to tell people what concerns them; nothing of it is stored or shown.
func (k *Keeper) Elsewhere(ctx context.Context, account, jurisdiction string) (bool, error) {
	if k.r.places == nil {
		return false, nil
	}
	var ip string
	err := k.r.db.QueryRow(ctx, `SELECT ip FROM records_signin WHERE account = $1 ORDER BY at DESC, id DESC LIMIT 1`, account).Scan(&ip)
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("records: reading the last sign-in: %w", err)
	}
	place, ok := k.r.places.Lookup(ip)
	if !ok || place.Country == "" {
		return false, nil
	}
	country, region, part := strings.Cut(jurisdiction, "-")
	if place.Country != country {
		return true, nil
	}
	return part && place.Region != "" && place.Region != region, nil
}
