"""segmo finds and segments everything that moves in a video, whatever the camera does."""
