"""An hour of everything at once: scripts/soak. docs/soak.md says what the mix is and what must hold."""
