"""From sound to words: recognition by a model here or by a server, and what is written of it.

Used by the step ``transcribe`` alone. What arrives is PCM that our own ffmpeg wrote; nothing here
opens a film.
"""
