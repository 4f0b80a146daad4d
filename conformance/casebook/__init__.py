"""What is asked: cases, the recipes of their arrays, the strategies and the catalogue that they come from."""
