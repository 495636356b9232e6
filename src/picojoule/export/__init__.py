"""Program to deployable artefacts."""
