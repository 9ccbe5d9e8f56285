package desk

// The rooms of the desk that others call directly, as lists and pages need them:
//
//   - registry.Registry: agencies, officers, staff, call-backs (Desk.Registry)
//   - standing.Book: standings, their drafts, signatures and history (Desk.Standings)
//   - diligence.Book: assessments (Desk.Assessments)
//   - policy.Rules: the table that the public page shows (Desk.Rules)
