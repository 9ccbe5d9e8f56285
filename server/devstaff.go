package server

import (
	"context"
	"errors"
	"fmt"

	"writ/desk/registry"
)

// devStaff are the people of the desk in writ dev: one for each role, so that every step that needs two has two.
var devStaff = []registry.Person{
	{ID: "ines", Name: "Ines Intake", Roles: []registry.Role{registry.Intake}},
	{ID: "rosa", Name: "Rosa Reviewer", Roles: []registry.Role{registry.Reviewer}},
	{ID: "amir", Name: "Amir Approver", Roles: []registry.Role{registry.Approver}},
	{ID: "cleo", Name: "Cleo Counsel", Roles: []registry.Role{registry.Counsel}},
	{ID: "hana", Name: "Hana Human-Rights", Roles: []registry.Role{registry.Rights}},
	{ID: "ewan", Name: "Ewan Executive", Roles: []registry.Role{registry.Executive}},
	{ID: "ada", Name: "Ada Admin", Roles: []registry.Role{registry.Admin}},
}

// devAgency and devOfficer are the other side of the portal in writ dev. The number is of a range that is kept for fiction.
var (
	devAgency = registry.Agency{ID: "sample-police", Name: "Sample Police Department", Jurisdiction: "US", Domains: []string{"police.example"},
		Numbers: []registry.Number{{Phone: "+12025550142", Source: "the sample data of writ dev"}}}
	devOfficer = registry.Person{ID: "olive", Name: "Olive Officer", Mail: "olive@police.example", Agency: "sample-police", Badge: "0142"}
)

// sampleStaff makes the desk's people, one agency and its officer, confirmed by a call-back. Those that are there stay as they are.
func (h *House) sampleStaff(ctx context.Context) error {
	for _, p := range devStaff {
		if err := h.unlessThere(ctx, p.ID, func() error {
			_, err := h.Registry.AddStaff(ctx, registry.SystemPerson, p)
			return err
		}); err != nil {
			return err
		}
	}
	if _, err := h.Registry.Agency(ctx, devAgency.ID); errors.Is(err, registry.ErrNotFound) {
		if _, err := h.Registry.AddAgency(ctx, registry.SystemPerson, devAgency); err != nil {
			return fmt.Errorf("server: making the sample agency: %w", err)
		}
	} else if err != nil {
		return err
	}
	return h.unlessThere(ctx, devOfficer.ID, func() error {
		if _, err := h.Registry.AddOfficer(ctx, registry.SystemPerson, devOfficer); err != nil {
			return err
		}
		_, err := h.Registry.RecordCallBack(ctx, "ines", registry.CallBack{Agency: devAgency.ID, Officer: devOfficer.ID,
			Number: devAgency.Numbers[0].Phone, By: "ines", SpokeTo: "the duty sergeant", Result: registry.Confirmed})
		return err
	})
}

// unlessThere makes a person who is not registered.
func (h *House) unlessThere(ctx context.Context, id string, make func() error) error {
	_, err := h.Registry.Person(ctx, id)
	if errors.Is(err, registry.ErrNotFound) {
		err = make()
	}
	if err != nil {
		return fmt.Errorf("server: making %s: %w", id, err)
	}
	return nil
}
