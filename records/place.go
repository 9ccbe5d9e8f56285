package records

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Places derives a rough place from an IP address, by a database file (MaxMind DB format) that the operator supplies. It is a hint
// about a network, and never a measurement or a legal basis.
type Places struct {
	db    *maxminddb.Reader
	built time.Time
}

// Place is what the file says of an address; a part that it does not know is empty.
type Place struct{ Country, Region, City string }

// OpenPlaces reads a .mmdb file.
func OpenPlaces(path string) (*Places, error) {
	db, err := maxminddb.Open(path)
	if err != nil {
		return nil, fmt.Errorf("records: location file %s: %w", path, err)
	}
	return &Places{db: db, built: time.Unix(int64(db.Metadata.BuildEpoch), 0).UTC()}, nil
}

// Built is when the file was made.
func (p *Places) Built() time.Time { return p.built }

// Lookup tells the place of an address; ok is false if the file does not know it.
func (p *Places) Lookup(ip string) (place Place, ok bool) {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return Place{}, false
	}
	var row struct {
		Country struct {
			ISO string `maxminddb:"iso_code"`
		} `maxminddb:"country"`
		Subdivisions []struct {
			ISO string `maxminddb:"iso_code"`
		} `maxminddb:"subdivisions"`
		City struct {
			Names map[string]string `maxminddb:"names"`
		} `maxminddb:"city"`
	}
	result := p.db.Lookup(addr)
	if !result.Found() || result.Decode(&row) != nil {
		return Place{}, false
	}
	place = Place{Country: row.Country.ISO, City: row.City.Names["en"]}
	if len(row.Subdivisions) > 0 {
		place.Region = row.Subdivisions[0].ISO
	}
	return place, place != Place{}
}
