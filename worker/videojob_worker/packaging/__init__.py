"""Manifests over packaged media, written by ourselves from what was measured.

Called by ``packager``. Pure. ``segments`` cuts, ``package`` is what a manifest describes, ``hls``
and ``dash`` describe it, ``proof`` says whether players could play it.
"""
