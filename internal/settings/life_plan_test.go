package settings

import (
	"context"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// Plans of very many people are computed a few at once; a small one waits for nobody.
func TestAPlanOfVeryManyPeople_WaitsForRoomAndASmallOneDoesNot(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.Plans = &provision.Room{}
		s.mustApply(t, lifeFile, ApplyOptions{})
		s.mustCreate(t, "ada")
		stagePeople(t, s, "large", 6000)
		for _, other := range []string{"dir_one", "dir_two"} {
			leave, err := s.Plans.Enter(context.Background(), other, 2)
			if err != nil {
				t.Fatal(err)
			}
			defer leave()
		}
		if plan, err := s.DirectoryPlan(context.Background(), "acme", "okta", provision.PlanPage{}); err != nil || plan.Staged != 1 {
			t.Errorf("%d, %v", plan.Staged, err)
		}
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := s.DirectoryPlan(gone, "large", "okta", provision.PlanPage{}); err == nil || errs.Is(err, errs.KindNotFound) {
			t.Errorf("a third large plan was computed: %v", err)
		}
	})
}

// On SQLite alone: PostgreSQL is slow with so many rows until it has statistics of them, which a server sees to.
func TestAPlanOfVeryManyPeople_IsAllOfIt(t *testing.T) {
	t.Parallel()
	s := service(storetest.Open(t, storetest.SQLite(t), nil))
	s.Plans = &provision.Room{}
	stagePeople(t, s, "large", 6000)
	for range 2 { // who was there before has left
		plan, err := s.DirectoryPlan(t.Context(), "large", "okta", provision.PlanPage{Limit: 10})
		if err != nil || plan.Staged != 6000 || plan.Counts[provision.PlanCreated] != 6000 || len(plan.Rows) != 10 {
			t.Errorf("%d, %v, %v", plan.Staged, plan.Counts, err)
		}
	}
}
