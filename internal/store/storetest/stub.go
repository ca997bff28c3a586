package storetest

import (
	"github.com/gatehouse-id/gatehouse/internal/store"
	"testing"
)

func testConfig(t *testing.T, open func(t testing.TB) store.Driver)                         {}
func testSequencer(t *testing.T, open func(t testing.TB) store.Driver)                      {}
func testSignals(t *testing.T, open func(t testing.TB) store.Driver)                        {}
func testMarks(t *testing.T, open func(t testing.TB) store.Driver)                          {}
func testHandles(t *testing.T, open func(t testing.TB) store.Driver)                        {}
func testRetention(t *testing.T, open func(t testing.TB) store.Driver)                      {}
func testRaces(t *testing.T, open func(t testing.TB) store.Driver)                          {}
func testSchema(t *testing.T, open func(t testing.TB) store.Driver)                         {}
func testPlans(t *testing.T, open func(t testing.TB) store.Driver)                          {}
func testStartTogether(t *testing.T, open func(t testing.TB) (store.Driver, store.Driver))  {}
func testNumberTogether(t *testing.T, open func(t testing.TB) (store.Driver, store.Driver)) {}
func testConfigTogether(t *testing.T, open func(t testing.TB) (store.Driver, store.Driver)) {}
