package pubsub

import (
	"context"

	"writ/xmpp/feature"
	"writ/xmpp/jid"
)

// discoItems lists the nodes that the reader may read (XEP-0060 §5.2), or a node's items (§5.5).
func (p *PubSub) discoItems(ctx context.Context, r *feature.Request) ([]feature.Item, error) {
	if r.Place == feature.AtDomain {
		return nil, nil
	}
	var list []feature.Item
	if name := r.Payload.Attr("node"); name != "" {
		n, err := loadNode(ctx, p.DB, r.To, name)
		if err != nil {
			return nil, err
		}
		if err := p.admit(ctx, n, r.To, r.From.Bare()); err != nil {
			return nil, err
		}
		found, err := items(ctx, p.DB, r.To, name, 0)
		for _, i := range found {
			list = append(list, feature.Item{JID: r.To, Name: i.id})
		}
		return list, err
	}
	all, err := nodes(ctx, p.DB, r.To)
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		if p.visible(ctx, n, r.To, r.From) {
			list = append(list, feature.Item{JID: r.To, Node: n.name, Name: n.title})
		}
	}
	return list, nil
}

func (p *PubSub) visible(ctx context.Context, n *node, owner, reader jid.JID) bool {
	return p.admit(ctx, n, owner, reader.Bare()) == nil
}

// discoNode is disco#info of a node with its meta-data (XEP-0060 §5.3, §5.4).
func (p *PubSub) discoNode(ctx context.Context, r *feature.Request, name string) (*feature.Info, error) {
	if r.Place == feature.AtDomain {
		return nil, nil
	}
	n, err := loadNode(ctx, p.DB, r.To, name)
	if err != nil || n == nil {
		return nil, err
	}
	if err := p.admit(ctx, n, r.To, r.From.Bare()); err != nil {
		return nil, err
	}
	return &feature.Info{
		Identities: []feature.Identity{{Category: "pubsub", Type: "leaf"}},
		Features:   []string{NS},
		Forms:      [][]byte{n.form("result", metaForm)},
	}, nil
}
