"""Does any rule beat random regions that show foreground?"""
