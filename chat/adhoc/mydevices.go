package adhoc

import (
	"context"

	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// MyDevicesNode is the node of the command "My devices".
const MyDevicesNode = "urn:writ:my-devices"

// Device is an app that has access, as the command shows it.
type Device struct{ ID, Text string }

// SignedIn are the apps of a person; server/ puts package devices in its place.
type SignedIn interface {
	// Devices lists what has access to the account; the full address is who asks.
	Devices(ctx context.Context, who jid.JID) ([]Device, error)
	// SignOut ends the access of one, as far as it does not rest on the password: told reports that it knows it. then ends the session of
	// who asks, if it is that one's.
	SignOut(ctx context.Context, who jid.JID, id string) (then func(), told bool, err error)
}

// noDevice is the choice to sign nothing out. It is a word, because Profanity 0.13 crashes over an option without a text; no device has it as its id.
const noDevice = "none"

// MyDevices is the command by which a person sees the apps that are signed in to the account, and signs one out.
func MyDevices(apps SignedIn) Command {
	return Command{Node: MyDevicesNode, Name: "My devices: which apps are signed in", At: feature.AtOwn | feature.AtDomain,
		Run: func(ctx context.Context, c *Call) (Stage, error) {
			if c.Stage == 0 {
				return chooseDevice(ctx, apps, c.From)
			}
			chosen := c.Fields["device"]
			if len(chosen) == 0 || chosen[0] == "" || chosen[0] == noDevice {
				return Stage{Done: true, Notes: []Note{{"info", "No app was signed out."}}}, nil
			}
			if len(chosen) > 1 {
				return Stage{}, stanza.BadRequest("one app at a time").WithApp(NS, "bad-payload")
			}
			then, told, err := apps.SignOut(ctx, c.From, chosen[0])
			if err != nil {
				return Stage{}, err
			}
			s := Stage{Done: true, Notes: []Note{{"info", "The app is signed out: its sessions are ended, and what it had instead of the password is not good any more."}}, Then: then}
			if told {
				s.Notes = append(s.Notes, Note{"warn", "It has used the password, and may have kept it. If the device is not in your hands, change the password now: that signs out every app."})
			}
			return s, nil
		}}
}

func chooseDevice(ctx context.Context, apps SignedIn, who jid.JID) (Stage, error) {
	list, err := apps.Devices(ctx, who)
	if err != nil {
		return Stage{}, err
	}
	field := Field{Var: "device", Type: "list-single", Label: "Sign out this app", Values: []string{noDevice}, Options: []Option{{"None", noDevice}}}
	for _, d := range list {
		field.Options = append(field.Options, Option{d.Text, d.ID})
	}
	return Stage{Form: &Form{Title: "My devices", Instructions: "The list has every app that is signed in to your account, or can sign in. Times are in UTC. Choose one to sign it out.",
		Fields: []Field{field}}, Actions: []string{"complete"}}, nil
}
