// Package config reads the settings of a server: one struct, from flags, the environment and a
// file, checked once, with all mistakes reported together.
//
// Entry points: Load, the Config that it returns, Config.Settings for "config print", and
// Nearest, which finds the name that somebody probably meant and is the same for configuration
// and for apply files.
//
// A flag beats the environment, which beats the file, which beats the default. The package holds
// no globals, opens no database or listener, and imports nothing of ours; only cmd imports it.
package config
