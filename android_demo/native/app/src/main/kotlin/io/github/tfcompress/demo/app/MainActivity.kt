package io.github.tfcompress.demo.app

import android.os.Bundle
import androidx.activity.ComponentActivity
import androidx.activity.compose.setContent
import androidx.activity.enableEdgeToEdge
import androidx.activity.viewModels
import io.github.tfcompress.demo.app.ui.DemoScreen
import io.github.tfcompress.demo.app.ui.DemoTheme

/** The one screen of the app. */
class MainActivity : ComponentActivity() {
    private val viewModel: DemoViewModel by viewModels()

    override fun onCreate(savedInstanceState: Bundle?) {
        enableEdgeToEdge()
        super.onCreate(savedInstanceState)
        setContent {
            DemoTheme { DemoScreen(viewModel) }
        }
    }
}
