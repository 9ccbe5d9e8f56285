package desk

import "writ/desk/law"

// Refusal is the desk's no: a stable code with the rule it cites (ReasonOf). It is the asker's fault, not ours.
type Refusal = law.Refusal

func refuse(code, text string) *Refusal { return law.Refuse(code, text) }
