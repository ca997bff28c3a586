package main

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gatehouse-id/gatehouse/internal/settings"
)

// metricsSite is what --metrics-listen answers: /metrics, for whoever can reach that address.
func metricsSite(s *settings.Service, log *slog.Logger) http.Handler {
	return metricsOf(&certificateAges{list: s.CertificatesInUse, now: s.DB.Now, log: log})
}

// metricsOf answers with what the process and our own collectors tell.
func metricsOf(ours ...prometheus.Collector) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(append(ours, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))...)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux
}

const (
	// agesFresh is how long the list of certificates serves scrapes: it changes seldom, and goes over all workspaces.
	agesFresh = time.Minute
	agesTime  = 20 * time.Second
)

// certificateAges tells how long the certificates of connections last.
type certificateAges struct {
	list func(context.Context) ([]settings.CertificateAge, error)
	now  func() time.Time
	log  *slog.Logger

	mu   sync.Mutex
	ages []settings.CertificateAge
	at   time.Time
}

var expiryDays = prometheus.NewDesc("gatehouse_certificate_expiry_days",
	"Days until a certificate in use at an active SAML connection ends, negative once it has; side is idp or sp (ours).",
	[]string{"workspace", "connection", "name", "side", "fingerprint"}, nil)

// Describe makes prometheus.Collector of it.
func (c *certificateAges) Describe(out chan<- *prometheus.Desc) { out <- expiryDays }

// Collect makes prometheus.Collector of it. While the database does not answer the last list serves.
func (c *certificateAges) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.at.IsZero() || now.Sub(c.at).Abs() >= agesFresh {
		ctx, stop := context.WithTimeout(context.Background(), agesTime)
		defer stop()
		ages, err := c.list(ctx)
		if err != nil {
			c.log.Warn("certificates could not be listed for metrics", "error", err)
		} else {
			c.ages, c.at = ages, now
		}
	}
	for _, age := range c.ages {
		out <- prometheus.MustNewConstMetric(expiryDays, prometheus.GaugeValue, age.NotAfter.Sub(now).Hours()/24,
			age.Workspace, age.Connection, age.Name, age.Side, age.Fingerprint)
	}
}
