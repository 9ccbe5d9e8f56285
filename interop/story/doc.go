// Package story replays Hong Kong, July 2019 to June 2021, as the test TestStory (make story): the requests that Meta, Google, Twitter
// and Telegram received, how each treated them before and after the national security law of 30 June 2020, and the reports that
// follow. It ends by printing the published figures beside those of the news and fails on any difference.
//
// Four houses run on clocks that only the story moves. Everything goes through public interfaces:
//
//   - Agencies, officers, call-backs, standings, signatures and every step of a case: the staff's forms. Officers file by the API, with
//     a token of the portal. All sign in, and sign, with passkeys that were enrolled by the pages.
//   - Accounts sign in, call each other and read the server's notice over XMPP.
//   - Reports and the key come from the public site; `writ verify report` recomputes them.
//
// Only what an operator does at the machine (`writ admin user add`, `writ admin staff add`) calls the functions behind those commands.
// No row is written otherwise.
//
// The news give no accounts for 2020-H1 and 2021-H1, and no requests to Twitter and Telegram: there the story's own numbers stand.
// With -short the volume is a tenth.
package story
