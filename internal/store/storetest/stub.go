package storetest

import (
	"github.com/gatehouse-id/gatehouse/internal/store"
	"testing"
)

func testRaces(t *testing.T, open func(t testing.TB) store.Driver)                         {}
func testSchema(t *testing.T, open func(t testing.TB) store.Driver)                        {}
func testPlans(t *testing.T, open func(t testing.TB) store.Driver)                         {}
func testStartTogether(t *testing.T, open func(t testing.TB) (store.Driver, store.Driver)) {}
